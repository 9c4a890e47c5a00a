/**
 * What the launchers of the CPU device see: addresses in one WebAssembly memory, and kernels run
 * over it by one or more threads. Everything below is synchronous.
 */

import type { DType, Tensor } from "../device.ts";

/** One WebAssembly memory, its heap, and the threads that run kernels over it. */
export interface Host {
  /** How many threads {@linkcode Host.run} uses at most, this one included: each has its scratch. */
  readonly threads: number;
  /** Into how many parts to cut work, in elements touched; 1 if threads would not pay for it. */
  partsOf(work: number): number;
  /**
   * Bytes in the memory, 64-byte aligned, not cleared; room for one vector past the end may be read.
   * @throws {RangeError} If memory is short.
   */
  alloc(bytes: number): number;
  /** Gives back what {@linkcode Host.alloc} gave. @throws {RangeError} If it did not. */
  free(address: number): void;
  /** A view on the memory, made anew each call: memory that grows detaches older ones. */
  f32(address: number, length: number): Float32Array;
  i32(address: number, length: number): Int32Array;
  u16(address: number, length: number): Uint16Array;
  u8(address: number, length: number): Uint8Array;
  /** A new tensor, of zeros unless told else, freed when it is disposed (pools are made of these). */
  tensor(shape: readonly number[], dtype?: DType, zero?: boolean): Tensor;
  /** Where a tensor lies. @throws {TypeError} If it is another device's, or freed. */
  address(tensor: Tensor): number;
  /**
   * Runs `kernel(part, parts, ...args)` once for each of `parts` parts, on whichever thread is free;
   * returns when all are done. An argument is a u32, i32, f32 or f64, as the kernel declares it.
   */
  run(parts: number, kernel: string, ...args: number[]): void;
  /** Runs `kernel(...args)` on this thread only (a kernel that takes parts is given `0, 1` first). */
  call(kernel: string, ...args: number[]): number;
  /** A work area that only grows, 64-byte aligned, valid until the next `scratch()`. */
  scratch(bytes: number): number;
}

/** What an exponential costs, in elements touched. */
export const EXP_WORK = 4;

/** Runs a kernel that takes parts: on every thread, or on this one alone if there is little work. */
export function launch(host: Host, work: number, kernel: string, ...args: number[]): void {
  runParts(host, host.partsOf(work), kernel, ...args);
}

/** Runs a kernel in so many parts. */
export function runParts(host: Host, parts: number, kernel: string, ...args: number[]): void {
  if (parts === 1) host.call(kernel, 0, 1, ...args);
  else host.run(parts, kernel, ...args);
}
