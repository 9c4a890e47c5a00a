import type { Device, DType, Tensor } from "../device/device.ts";
import type { BlockStore } from "./block_store.ts";
import type { SealedBlocks } from "./block_view.ts";
import type { MemoryPlan } from "./options.ts";
import type { Section } from "./section.ts";

/** How keys are rotated for storing. */
export interface StoredRotation {
  /** f32 [P, D/2, 2]. */
  readonly rotations: Tensor;
  /** i32 [layers · chunk]: see storedPositions. */
  readonly stored: Tensor;
}

/** Cuts a full section into blocks as they are stored; their bytes are on their way. */
export function sealSection(
  store: BlockStore,
  section: Section,
  { rotations, stored }: StoredRotation,
): Omit<SealedBlocks, "numbers"> & Disposable {
  const { device, plan, landmarks } = store;
  const { chunk, blockSize, storage, heads: { layers, kvHeads, headDim } } = plan;
  const count = chunk / blockSize;
  using stack = new DisposableStack();
  const make = (shape: readonly number[], dtype: DType = "f32"): Tensor =>
    stack.use(device.tensor(shape, { dtype, zero: false }));
  const { rawKeys, values } = section.whole;
  const out = make([layers * count, kvHeads, 2, blockSize, headDim], storage);
  const keys = make([layers * count, kvHeads, headDim]);
  const turned = make(rawKeys.shape);
  const rows = stack.use(device.tensor([layers * count], {
    dtype: "i32",
    data: Array.from({ length: layers * count }, (_, i) => (i + 1) * blockSize - 1),
  }));
  device.rope(rawKeys, stored, rotations, turned);
  device.sealBlocks(turned, values, out);
  device.gather(turned, rows, keys);
  const bytes = readBytes(device, out);
  const owned = stack.move();
  return {
    blocks: Array.from({ length: count }, (_, i) => {
      const pieces = bytes.then((bytes) => piecesOf(plan, bytes, i));
      // Whoever stores the block is told; where that fails before, nobody may.
      pieces.catch(() => {});
      return { pieces };
    }),
    onDevice: device.reshape(out, [layers, count, kvHeads, 2, blockSize, headDim]),
    writeLandmarks(i, slot) {
      for (let layer = 0; layer < layers; layer++) {
        if (!plan.isLong[layer]) continue;
        device.copy(device.view(keys, layer * count + i, 1), landmarks.at(layer, slot));
      }
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

async function readBytes(device: Device, tensor: Tensor): Promise<Uint8Array> {
  const numbers = await device.read(tensor);
  // The reference device keeps f32 in f64; what is stored is f32 everywhere.
  const stored = numbers instanceof Float64Array ? Float32Array.from(numbers) : numbers;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** The pieces of block i, of bytes [layers, blocks, G, 2, M, D]. */
function piecesOf(plan: MemoryPlan, bytes: Uint8Array, i: number): Uint8Array[] {
  const { pieceBytes, chunk, blockSize, heads: { layers, kvHeads } } = plan;
  return Array.from({ length: layers * kvHeads }, (_, piece) => {
    const block = Math.floor(piece / kvHeads) * (chunk / blockSize) + i;
    const at = (block * kvHeads + piece % kvHeads) * pieceBytes;
    return bytes.subarray(at, at + pieceBytes);
  });
}
