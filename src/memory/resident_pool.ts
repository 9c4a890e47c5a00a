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
    async admit(slot, { pieces, onDevice }) {
      if ((slot + 1) * piecesPerBlock > poolEntries) return false;
      const stored = onDevice ? undefined : await pieces;
      const before = device.bytes;
      if (onDevice) take(device, pool, slot, onDevice);
      else load(device, pool, staging, slot, stored!);
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

/** Pieces of one block that lie on the device, by layer, to the entries that are theirs. */
function take(device: Device, pool: Tensor, slot: number, layers: readonly Tensor[]): void {
  const [perLayer] = layers[0].shape;
  const count = layers.length * perLayer;
  using entries = device.tensor([count], {
    dtype: "i32",
    data: Array.from({ length: count }, (_, piece) => slot * count + piece),
  });
  layers.forEach((pieces, layer) => {
    device.loadBlocks(pieces, pool, device.view(entries, layer * perLayer, perLayer));
  });
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
