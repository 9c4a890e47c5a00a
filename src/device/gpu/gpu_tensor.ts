import type { DType, Tensor } from "../device.ts";
import { shapeText } from "../shapes.ts";
import type { PooledBuffer } from "./buffers.ts";

/** Bytes of one number. */
export const SIZE_BYTES: Readonly<Record<DType, number>> = { f32: 4, f16: 2, i32: 4 };

/** Memory that a tensor and the views on it share. */
export interface Storage {
  /** The host it belongs to. */
  readonly owner: unknown;
  readonly buffer: PooledBuffer;
  freed: boolean;
  /** Integers that only the host has written: what they are without reading them back. */
  shadow: Int32Array | undefined;
}

/** A tensor in the memory of a GPU. */
export class GpuTensor implements Tensor {
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly storage: Storage,
    /** Its first number, in elements. */
    readonly at: number,
    /** Frees the storage; a view has none to free. */
    readonly release?: () => void,
  ) {}

  [Symbol.dispose](): void {
    if (!this.release || this.storage.freed) return;
    this.storage.freed = true;
    this.release();
  }
}

/** The tensor, if it is this owner's and alive. @throws {TypeError} If it is not. */
export function owned(owner: unknown, tensor: Tensor): GpuTensor {
  if (!(tensor instanceof GpuTensor) || tensor.storage.owner !== owner) {
    throw new TypeError(`Cannot use tensor ${shapeText(tensor)} as it belongs to another device`);
  }
  if (tensor.storage.freed) {
    throw new TypeError(`Cannot use tensor ${shapeText(tensor)} as it was freed`);
  }
  return tensor;
}
