import { type DType, type Numbers, sizeOf, type Tensor } from "../device.ts";
import { shapeText } from "../shapes.ts";
import { toHalf } from "./half.ts";

/** f32 is kept in f64, so that the reference has no rounding of its own to explain. */
export type Data = Float64Array | Int32Array | Uint16Array;

/** What operations compute on: numbers, last axis fastest. */
export interface Reals {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

/** What operations look up by: rows, positions, targets. */
export interface Indices {
  readonly shape: readonly number[];
  readonly data: Int32Array;
}

/** Memory that a tensor and the views on it share. */
interface Storage {
  freed: boolean;
  readonly owner: unknown;
}

/** A tensor of the reference device. */
export class ReferenceTensor implements Tensor {
  constructor(
    readonly dtype: DType,
    readonly shape: readonly number[],
    readonly data: Data,
    readonly storage: Storage,
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
function owned(owner: unknown, tensor: Tensor): ReferenceTensor {
  if (!(tensor instanceof ReferenceTensor) || tensor.storage.owner !== owner) {
    throw new TypeError(`Cannot use tensor ${shapeText(tensor)} as it belongs to another device`);
  }
  if (tensor.storage.freed) {
    throw new TypeError(`Cannot use tensor ${shapeText(tensor)} as it was freed`);
  }
  return tensor;
}

/** How operations reach into tensors. Types are checked with the shapes, before. */
export interface Reach {
  any(tensor: Tensor): ReferenceTensor;
  reals(tensor: Tensor): Reals;
  indices(tensor: Tensor): Indices;
}

/** A reach into the tensors of one owner. */
export function reachOf(owner: unknown): Reach {
  const any = (tensor: Tensor): ReferenceTensor => owned(owner, tensor);
  return {
    any,
    reals: (tensor) => any(tensor) as ReferenceTensor & Reals,
    indices: (tensor) => any(tensor) as ReferenceTensor & Indices,
  };
}

/** Zeros for a tensor. */
export function allocate(dtype: DType, shape: readonly number[]): Data {
  const size = sizeOf(shape);
  if (dtype === "f32") return new Float64Array(size);
  return dtype === "i32" ? new Int32Array(size) : new Uint16Array(size);
}

/** Writes numbers, converted to the tensor's type; a Uint16Array holds f16 patterns. */
export function store(data: Data, numbers: Numbers | Uint16Array, at: number): void {
  if (data instanceof Uint16Array && !(numbers instanceof Uint16Array)) {
    for (let i = 0; i < numbers.length; i++) data[at + i] = toHalf(numbers[i]);
  } else {
    data.set(numbers, at);
  }
}

/** Where a row of x [R, …] begins. */
export function rowAt(x: Reals, row: number): number {
  return row * (x.data.length / x.shape[0]);
}

/** @throws {RangeError} If one of the indices lies outside of [low, high). */
export function checkIndices(
  operation: string,
  name: string,
  { data }: Indices,
  [low, high]: readonly [number, number],
): void {
  const i = data.findIndex((index) => index < low || index >= high);
  if (i < 0) return;
  throw new RangeError(
    `Cannot run ${operation} as ${name} must be in [${low}, ${high}): ` +
      `current value is ${data[i]}, at ${i}`,
  );
}
