import type { DType, Tensor } from "../device.ts";

/** Bytes of one number. */
export const SIZE_BYTES: Readonly<Record<DType, number>> = { f32: 4, f16: 2, i32: 4 };

/** Memory that a tensor and the views on it share. */
export interface Storage {
  /** The host it belongs to. */
  readonly owner: unknown;
  freed: boolean;
}

/** A tensor in the memory of a CPU device. */
export class CpuTensor implements Tensor {
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly storage: Storage,
    /** In bytes. */
    readonly address: number,
    /** Frees the storage; a view has none to free. */
    readonly release?: () => void,
  ) {}

  [Symbol.dispose](): void {
    if (!this.release || this.storage.freed) return;
    this.storage.freed = true;
    this.release();
  }
}
