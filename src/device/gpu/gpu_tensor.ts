import { type DType, sizeOf, type Tensor } from "../device.ts";
import { shapeText } from "../shapes.ts";
import type { PooledBuffer } from "./buffers.ts";

/** Bytes of one number. */
export const SIZE_BYTES: Readonly<Record<DType, number>> = { f32: 4, f16: 2, i32: 4 };

/** Memory that a tensor and the views on it share. */
export interface Storage {
  /** The host it belongs to. */
  readonly owner: unknown;
  readonly buffer: PooledBuffer;
  /** Of its numbers: the buffer may be longer. */
  readonly bytes: number;
  freed: boolean;
  /** Its numbers are zeros, which were not written yet; zeros.ts. */
  owesZeros: boolean;
  /** Integers that only the host has written: what they are without reading them back. */
  shadow: Int32Array | undefined;
  /** What was made of its numbers, as long as they are what they were; undefined for nothing. */
  derived: Map<string, Shared> | undefined;
}

/** A resource, and how many hold it. */
interface Shared {
  readonly resource: Disposable;
  holders: number;
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
    numbersChanged(this.storage);
    this.release();
  }
}

/**
 * What `make` makes of a tensor's numbers, made once for all who ask until they are written: it is
 * freed when that happened and all who asked have disposed of it.
 */
export function derivedOf<Resource extends Disposable>(
  { storage, at, shape }: GpuTensor,
  name: string,
  make: () => Resource,
): Disposable & { readonly resource: Resource } {
  const key = `${name} ${at} ${sizeOf(shape)}`;
  let shared = storage.derived?.get(key);
  if (!shared) {
    shared = { resource: make(), holders: 1 };
    (storage.derived ??= new Map()).set(key, shared);
  }
  const held = shared;
  held.holders++;
  return { resource: held.resource as Resource, [Symbol.dispose]: () => letGo(held) };
}

/** What was made of a storage's numbers is not right any more. */
export function numbersChanged(storage: Storage): void {
  const { derived } = storage;
  storage.derived = undefined;
  for (const shared of derived?.values() ?? []) letGo(shared);
}

function letGo(shared: Shared): void {
  if (--shared.holders === 0) shared.resource[Symbol.dispose]();
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
