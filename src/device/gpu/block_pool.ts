import type { DType, Tensor } from "../device.ts";
import { checkInteger } from "../shapes.ts";
import { SIZE_BYTES } from "./gpu_tensor.ts";
import type { GpuHost } from "./host.ts";

/** How many tensors a pool may consist of: kernels bind them all. */
export const POOL_SEGMENTS = 4;

/**
 * Room for pieces [capacity, 2, M, D], over several tensors where one binding cannot reach it all:
 * entry e is entry e % perSegment of tensor ⌊e / perSegment⌋.
 */
export class GpuPool implements Tensor {
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    /** At most {@linkcode POOL_SEGMENTS}, [perSegment, 2, M, D] each, the last one shorter. */
    readonly segments: readonly Tensor[],
    readonly perSegment: number,
  ) {}

  [Symbol.dispose](): void {
    for (const segment of this.segments) segment[Symbol.dispose]();
  }
}

/** A pool; with f16 storage it takes half the memory. */
export function blockPool(
  host: GpuHost,
  capacity: number,
  { blockSize, headDim, storage = "f32" }: {
    blockSize: number;
    headDim: number;
    storage?: "f32" | "f16";
  },
): GpuPool {
  checkInteger("blockPool", "capacity", capacity, [1, 2 ** 31]);
  checkInteger("blockPool", "blockSize", blockSize, [2, 2 ** 31]);
  checkInteger("blockPool", "headDim", headDim, [1, 2 ** 31]);
  const piece = 2 * blockSize * headDim;
  const most = Math.floor(host.limits.tensorBytes / (piece * SIZE_BYTES[storage]));
  if (capacity > POOL_SEGMENTS * most) {
    throw new RangeError(
      `Cannot make a pool as its capacity must be at most ${POOL_SEGMENTS * most} pieces, what ` +
        `${POOL_SEGMENTS} tensors of ${host.limits.tensorBytes} bytes hold: ` +
        `current value is ${capacity}`,
    );
  }
  using stack = new DisposableStack();
  const segments: Tensor[] = [];
  for (let at = 0; at < capacity; at += most) {
    const shape = [Math.min(most, capacity - at), 2, blockSize, headDim];
    segments.push(stack.use(host.tensor(shape, { dtype: storage })));
  }
  stack.move();
  return new GpuPool(storage, [capacity, 2, blockSize, headDim], segments, most);
}

/** A pool's tensors; any other tensor is a pool of one. */
export function poolSegments(pool: Tensor): Pick<GpuPool, "segments" | "perSegment"> {
  if (pool instanceof GpuPool) return pool;
  return { segments: [pool], perSegment: Math.max(1, pool.shape[0]) };
}
