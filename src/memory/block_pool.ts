import type { BlockList, BlockTable, ChosenRows, MissingPiece } from "../device/bookkeeping.ts";
import type { Chosen, Device, Tensor } from "../device/device.ts";
import type { MemoryPlan } from "./options.ts";
import type { Tier } from "./tiers/tier.ts";

/** Pieces that are brought to the device at once. */
const BATCH = 64;

/** Rows of a choice, ready to be attended to; valid until the pool is asked again. */
export interface ReadyRows extends Disposable {
  readonly rows: number;
  readonly chosen: Chosen;
}

/**
 * The device's cache of the pieces that were read last: what is missing comes from the tiers. It
 * is the one place that knows that a choice must be read back to find its pieces; on a device that
 * holds every piece, an entry follows from the choice alone.
 */
export interface BlockPool extends Disposable {
  readonly bytes: number;
  /** Brings what rows `first` … chose to the device: all of them, or as many as the pool holds. */
  ready(list: BlockList, layer: number, chosen: ChosenRows, first: number): Promise<ReadyRows>;
}

/** A pool of the planned size, filled from `tiers` (by their number in the table). */
export function blockPool(
  device: Device,
  plan: MemoryPlan,
  table: BlockTable,
  tiers: readonly Tier[],
): BlockPool {
  const { blockSize, storage, poolEntries, heads: { headDim } } = plan;
  const before = device.bytes;
  using stack = new DisposableStack();
  const pool = stack.use(device.blockPool(poolEntries, { blockSize, headDim }));
  const shape = [Math.min(BATCH, poolEntries), 2, blockSize, headDim];
  const staging = stack.use(device.tensor(shape, { dtype: storage }));
  const bytes = device.bytes - before;
  const owned = stack.move();
  const load = loader(device, table, tiers, pool, staging);
  return {
    bytes,
    async ready(list, layer, chosen, first) {
      const { rows, entries, slots, missing } = table.find(list, layer, chosen, first);
      try {
        for (let i = 0; i < missing.length; i += BATCH) await load(missing.slice(i, i + BATCH));
      } catch (error) {
        for (const { slot, piece } of missing) table.forgetPiece(slot, piece);
        throw error;
      }
      using stack = new DisposableStack();
      const i32 = (data: Int32Array): Tensor =>
        stack.use(device.tensor([rows, chosen.heads, chosen.k], { dtype: "i32", data }));
      const found = { pool, entries: i32(entries), slots: i32(slots) };
      const made = stack.move();
      return { rows, chosen: found, [Symbol.dispose]: () => made.dispose() };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

function loader(
  device: Device,
  table: BlockTable,
  tiers: readonly Tier[],
  pool: Tensor,
  staging: Tensor,
): (missing: readonly MissingPiece[]) => Promise<void> {
  return async (missing) => {
    const pieces = await fetch(table, tiers, missing);
    let at = 0;
    for (const bytes of pieces) {
      const numbers = staging.dtype === "f16"
        ? new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2)
        : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
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
  tiers: readonly Tier[],
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
