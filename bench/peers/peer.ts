import type { MatmulShape } from "../matmul_shapes.ts";

/** A library that multiplies matrices, ready to be measured beside others. */
export interface Peer {
  readonly name: string;
  /** Puts the inputs where the library wants them. */
  prepare(
    shape: MatmulShape,
    a: Float32Array<ArrayBuffer>,
    b: Float32Array<ArrayBuffer>,
  ): Promise<Product>;
}

/** One product, ready to run. */
export interface Product extends Disposable {
  /** Computes it `count` times; resolves when the last one is done. */
  run(count: number): void | Promise<void>;
  /** What the last run computed. */
  read(): Promise<ArrayLike<number>>;
}
