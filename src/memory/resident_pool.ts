import { type Device, sizeOf, type Tensor } from "../device/device.ts";
import { type BlockPool, numbersOf } from "./block_pool.ts";
import type { StoredPieces } from "./block_store.ts";
import type { MemoryPlan } from "./options.ts";

/**
 * A pool that holds every stored piece: entry slot · pieces + piece. So an entry follows from the
 * choice alone, on the device, and nothing is read back between choosing and reading.
 */
export function residentPool(device: Device, plan: MemoryPlan): BlockPool {
  const {
    blockSize,
    storage,
    poolEntries,
    piecesPerBlock,
    topBlocks,
    heads: { kvHeads, headDim },
  } = plan;
  using stack = new DisposableStack();
  const before = device.bytes;
  const pool = stack.use(device.blockPool(poolEntries, { blockSize, headDim, storage }));
  const shape = [piecesPerBlock, 2, blockSize, headDim];
  const staging = stack.use(device.tensor(shape, { dtype: storage }));
  let bytes = device.bytes - before;
  const owned = stack.move();
  return {
    get bytes() {
      return bytes;
    },
    isWhole: true,
    async admit({ slots, blocks, onDevice }) {
      if ((Math.max(...slots) + 1) * piecesPerBlock > poolEntries) return false;
      const stored = onDevice ? [] : await Promise.all(blocks.map(({ pieces }) => pieces));
      const before = device.bytes;
      if (onDevice) take(device, pool, slots, onDevice);
      stored.forEach((pieces, i) => load(device, pool, staging, slots[i], pieces));
      // A pool may take its memory as it fills.
      bytes += device.bytes - before;
      return true;
    },
    ready({ list, order }, layer, { chosen, rows, heads, k }, first) {
      using stack = new DisposableStack();
      const i32 = (shape: readonly number[], data?: Int32Array): Tensor =>
        stack.use(device.tensor(shape, { dtype: "i32", ...data && { data }, zero: false }));
      const n = list.length;
      const places = chosen ?? i32([1, 1, k], Int32Array.from({ length: k }, (_, r) => n - k + r));
      const count = rows - first;
      const found = { pool, entries: i32([count, heads, k]), slots: i32([count, heads, k]) };
      device.placeBlocks(device.view(places, first, count), order(), found.entries, found.slots, {
        ...{ layer, kvHeads, topBlocks, pieces: piecesPerBlock },
      });
      const made = stack.move();
      return Promise.resolve({
        rows: count,
        chosen: found,
        [Symbol.dispose]: () => made.dispose(),
      });
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Pieces that lie on the device, [layers, blocks, G, 2, M, D], to the entries that are theirs. */
function take(device: Device, pool: Tensor, slots: readonly number[], pieces: Tensor): void {
  const [layers, blocks, kvHeads, ...piece] = pieces.shape;
  const count = layers * blocks * kvHeads;
  const entryOf = (i: number): number => {
    const [layer, block, head] = [
      Math.floor(i / (blocks * kvHeads)),
      Math.floor(i / kvHeads) % blocks,
      i % kvHeads,
    ];
    return (slots[block] * layers + layer) * kvHeads + head;
  };
  using entries = device.tensor([count], {
    dtype: "i32",
    data: Int32Array.from({ length: count }, (_, i) => entryOf(i)),
  });
  device.loadBlocks(device.reshape(pieces, [count, ...piece]), pool, entries);
}

/** Pieces of one block, to the entries that are theirs. */
function load(
  device: Device,
  pool: Tensor,
  staging: Tensor,
  slot: number,
  pieces: StoredPieces,
): void {
  const kept = [...pieces.keys()].filter((piece) => pieces[piece] !== undefined);
  const size = sizeOf(staging.shape.slice(1));
  kept.forEach((piece, i) => {
    device.write(staging, numbersOf(pieces[piece]!, staging.dtype), i * size);
  });
  using entries = device.tensor([kept.length], {
    dtype: "i32",
    data: kept.map((piece) => slot * pieces.length + piece),
  });
  device.loadBlocks(device.view(staging, 0, kept.length), pool, entries);
}
