import type { BlockList, BlockTable, MissingPiece } from "../device/bookkeeping.ts";
import type { Chosen, Device, DType, Tensor } from "../device/device.ts";
import type { NewBlock } from "./block_store.ts";
import type { MemoryPlan } from "./options.ts";
import type { Tier } from "./tiers/tier.ts";

/** Pieces that are brought to the device at once. */
const BATCH = 64;

/** Which stored blocks the tokens of a step read in one layer. */
export interface BlockChoices {
  /** i32 [rows, chosenHeads, k] on the device: places in the list, by time; none for the last k. */
  readonly chosen: Tensor | undefined;
  /** T, or 1 for all tokens together. */
  readonly rows: number;
  /** H, or 1 for all heads together. */
  readonly chosenHeads: number;
  /** H. */
  readonly heads: number;
  /** How many blocks each reads. */
  readonly k: number;
  /** The same, read back; once, however often it is asked. */
  numbers(): Promise<Int32Array | undefined>;
}

/** The blocks by time: on the host and on the device. */
export interface BlockOrder {
  readonly list: BlockList;
  /** i32 [n]: the slots. */
  order(): Tensor;
}

/** Rows of a choice, ready to be attended to; valid until the pool is asked again. */
export interface ReadyRows extends Disposable {
  readonly rows: number;
  readonly chosen: Chosen;
}

/** Blocks that were stored. */
export interface AddedBlocks {
  /** They are its last ones. */
  readonly list: BlockList;
  readonly slots: readonly number[];
  readonly blocks: readonly NewBlock[];
  /** Their pieces on the device, if they lie there already: [layers, blocks, G, 2, M, D]. */
  readonly onDevice: Tensor | undefined;
}

/** Where the device has the pieces that are read. */
export interface BlockPool extends Disposable {
  readonly bytes: number;
  /** Whether it holds all blocks, so that a choice need not be read back to find its pieces. */
  readonly isWhole: boolean;
  /** Blocks were stored. A pool that must hold all blocks says so if it cannot hold these. */
  admit(blocks: AddedBlocks): Promise<boolean>;
  /** Brings what rows `first` … chose to the device: all of them, or as many as the pool holds. */
  ready(blocks: BlockOrder, layer: number, chosen: BlockChoices, first: number): Promise<ReadyRows>;
}

/**
 * A pool that holds the pieces read last: what is missing comes from the tiers (by their number in
 * the table). A choice must be read back to find its pieces.
 */
export function cachePool(
  device: Device,
  plan: MemoryPlan,
  table: BlockTable,
  tiers: readonly Pick<Tier, "get">[],
): BlockPool {
  const { blockSize, storage, poolEntries, heads: { headDim } } = plan;
  const before = device.bytes;
  using stack = new DisposableStack();
  const pool = stack.use(device.blockPool(poolEntries, { blockSize, headDim, storage }));
  const shape = [Math.min(BATCH, poolEntries), 2, blockSize, headDim];
  const staging = stack.use(device.tensor(shape, { dtype: storage }));
  const bytes = device.bytes - before;
  const owned = stack.move();
  const load = loader(device, table, tiers, pool, staging);
  return {
    bytes,
    isWhole: false,
    admit(blocks) {
      // Those read last are the likeliest to be read next; on the host's own memory they are near.
      if (device.info.remote && blocks.onDevice) take(device, plan, table, pool, blocks);
      return Promise.resolve(true);
    },
    async ready({ list }, layer, choices, first) {
      const chosen = { ...choices, chosen: await choices.numbers() };
      const { rows, entries, slots, missing } = table.find(list, layer, chosen, first);
      try {
        for (let i = 0; i < missing.length; i += BATCH) await load(missing.slice(i, i + BATCH));
      } catch (error) {
        for (const { slot, piece } of missing) table.forgetPiece(slot, piece);
        throw error;
      }
      // Together, as writing to a device takes its time.
      const data = new Int32Array(2 * entries.length);
      data.set(entries);
      data.set(slots, entries.length);
      const both = device.tensor([2 * rows, chosen.heads, chosen.k], { dtype: "i32", data });
      const found = {
        pool,
        entries: device.view(both, 0, rows),
        slots: device.view(both, rows, rows),
      };
      return { rows, chosen: found, [Symbol.dispose]: () => both[Symbol.dispose]() };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Pieces that lie on the device go to the pool layer by layer, as they would if they were read. */
function take(
  device: Device,
  { heads: { layers, kvHeads } }: MemoryPlan,
  table: BlockTable,
  pool: Tensor,
  { list, slots, onDevice }: AddedBlocks,
): void {
  const rows = { chosen: undefined, rows: 1, chosenHeads: 1, heads: kvHeads, k: slots.length };
  const places = new Map(slots.map((slot, i) => [slot, i]));
  for (let layer = 0; layer < layers; layer++) {
    const { missing, rows: placed } = table.find(list, layer, rows, 0);
    const ofLayer = device.view(onDevice!, layer, 1);
    const [, count, , ...piece] = ofLayer.shape;
    const entries = new Int32Array(count * kvHeads);
    if (placed === 0 || missing.length < entries.length) {
      // The pool is smaller than what was added, or has some of it: what is missing comes when it is read.
      for (const { slot, piece } of missing) table.forgetPiece(slot, piece);
      continue;
    }
    for (const { slot, piece, entry } of missing) {
      entries[places.get(slot)! * kvHeads + piece % kvHeads] = entry;
    }
    using where = device.tensor([entries.length], { dtype: "i32", data: entries });
    device.loadBlocks(device.reshape(ofLayer, [entries.length, ...piece]), pool, where);
  }
}

function loader(
  device: Device,
  table: BlockTable,
  tiers: readonly Pick<Tier, "get">[],
  pool: Tensor,
  staging: Tensor,
): (missing: readonly MissingPiece[]) => Promise<void> {
  return async (missing) => {
    const pieces = await fetch(table, tiers, missing);
    let at = 0;
    for (const bytes of pieces) {
      const numbers = numbersOf(bytes, staging.dtype);
      device.write(staging, numbers, at);
      at += numbers.length;
    }
    using entries = device.tensor([missing.length], {
      dtype: "i32",
      data: missing.map(({ entry }) => entry),
    });
    device.loadBlocks(device.view(staging, 0, missing.length), pool, entries);
  };
}

/** The bytes of pieces, each tier asked once. */
async function fetch(
  table: BlockTable,
  tiers: readonly Pick<Tier, "get">[],
  missing: readonly MissingPiece[],
): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for (const [number, tier] of tiers.entries()) {
    const here = [...missing.keys()].filter((i) => table.tier(missing[i].slot) === number);
    if (here.length === 0) continue;
    const found = await tier.get(
      here.map((i) => table.place(missing[i].slot, missing[i].piece)),
    );
    here.forEach((i, j) => pieces[i] = found[j]);
  }
  return pieces;
}

/** What stored bytes are to a tensor of that type. */
export function numbersOf(bytes: Uint8Array, dtype: DType): Float32Array | Uint16Array {
  const { buffer, byteOffset, length } = bytes;
  return dtype === "f16"
    ? new Uint16Array(buffer, byteOffset, length / 2)
    : new Float32Array(buffer, byteOffset, length / 4);
}
