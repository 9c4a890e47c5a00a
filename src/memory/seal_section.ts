import { type Device, sizeOf, type Tensor } from "../device/device.ts";
import type { BlockStore, StoredPieces } from "./block_store.ts";
import type { SealedBlocks } from "./block_view.ts";
import type { Section } from "./section.ts";

/** How keys are rotated for storing. */
export interface StoredRotation {
  /** f32 [P, D/2, 2]. */
  readonly rotations: Tensor;
  /** i32 [chunk]: see storedPositions. */
  readonly stored: Tensor;
}

/** Cuts a full section into blocks as they are stored. */
export async function sealSection(
  store: BlockStore,
  section: Section,
  rotation: StoredRotation,
): Promise<Omit<SealedBlocks, "numbers"> & Disposable> {
  const { device, plan, landmarks } = store;
  const count = plan.chunk / plan.blockSize;
  using stack = new DisposableStack();
  const keys: Tensor[] = [];
  const stored = section.rawKeys.map((k, layer) => {
    const sealed = sealLayer(store, k, section.values[layer], rotation);
    keys.push(stack.use(sealed.landmarks));
    return sealed.blocks;
  });
  // Every layer is on its way before the first is waited for.
  const layers = await Promise.all(stored);
  const pieces = Array.from({ length: count }, (_, i) => piecesOf(store, layers, i));
  const owned = stack.move();
  return {
    pieces,
    writeLandmarks(i, slot) {
      keys.forEach((key, layer) => {
        if (plan.isLong[layer]) device.copy(device.view(key, i, 1), landmarks.at(layer, slot));
      });
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** One layer's landmark keys [blocks, G, D], and its pieces [blocks, G, 2, M, D] as bytes. */
function sealLayer(
  { device, plan }: BlockStore,
  k: Tensor,
  v: Tensor,
  { rotations, stored }: StoredRotation,
): { landmarks: Tensor; blocks: Promise<Uint8Array> } {
  const { chunk, blockSize, storage, heads: { kvHeads, headDim } } = plan;
  const count = chunk / blockSize;
  using stack = new DisposableStack();
  const turned = stack.use(device.tensor(k.shape));
  device.rope(k, stored, rotations, turned);
  const rows = stack.use(device.tensor([count], {
    dtype: "i32",
    data: Array.from({ length: count }, (_, i) => (i + 1) * blockSize - 1),
  }));
  const out = stack.use(device.tensor([count, kvHeads, 2, blockSize, headDim], { dtype: storage }));
  device.sealBlocks(turned, v, out);
  const landmarks = device.tensor([count, kvHeads, headDim]);
  device.gather(turned, rows, landmarks);
  const owned = stack.move();
  return { landmarks, blocks: readBytes(device, out).finally(() => owned.dispose()) };
}

async function readBytes(device: Device, tensor: Tensor): Promise<Uint8Array> {
  const numbers = await device.read(tensor);
  // The reference device keeps f32 in f64; what is stored is f32 everywhere.
  const stored = numbers instanceof Float64Array ? Float32Array.from(numbers) : numbers;
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** The pieces of block i of each layer's blocks. */
function piecesOf(
  { plan }: BlockStore,
  layers: readonly Uint8Array[],
  i: number,
): StoredPieces {
  const { pieceBytes, heads: { layers: count, kvHeads } } = plan;
  return Array.from({ length: sizeOf([count, kvHeads]) }, (_, piece) => {
    const at = (i * kvHeads + piece % kvHeads) * pieceBytes;
    return layers[Math.floor(piece / kvHeads)].subarray(at, at + pieceBytes);
  });
}
