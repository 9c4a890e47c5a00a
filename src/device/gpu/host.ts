/** What the launchers of the GPU device see: tensors, and kernels run over them in order. */

import type { DType, Numbers, Tensor } from "../device.ts";
import type { Constants, Kernel } from "./kernel.ts";

/** A parameter of a kernel: an integer (u32, or i32 by its bits), or what {@linkcode float} made. */
export type Param = number | { readonly f32: number };

/** A parameter of type f32. */
export function float(value: number): Param {
  return { f32: value };
}

/** One run of a kernel. */
export interface Launch {
  /** In the order of the bindings, from 1 on. */
  readonly tensors: readonly Tensor[];
  /** Behind the tensors' offsets, at most 64 words with them. */
  readonly params?: readonly Param[];
  /** What the code is specialised by. */
  readonly constants?: Constants;
  /** Workgroups, at most {@linkcode GpuLimits.groups} each. */
  readonly groups: readonly [number, number?, number?];
}

/** What the adapter can do that decides how a kernel is written or split. */
export interface GpuLimits {
  /** Bytes of `var<workgroup>`. */
  readonly workgroupBytes: number;
  /** Threads in a workgroup. */
  readonly workgroupThreads: number;
  /** Workgroups along one axis. */
  readonly groups: number;
  /** Bytes of one tensor. */
  readonly tensorBytes: number;
  /** Tensors a kernel may bind. */
  readonly tensors: number;
}

/** Which optional parts of WGSL there are. */
export interface GpuFeatures {
  /** `enable f16;` */
  readonly f16: boolean;
  /** Subgroup operations; `enable` is the line to write, "" where it must not be written. */
  readonly subgroups:
    | { readonly enable: string; readonly min: number; readonly max: number }
    | undefined;
  /** Dawn's subgroup matrices (tensor cores), f16 in and f32 out, 16×16×16. */
  readonly subgroupMatrix: boolean;
  /** Kernels have loops where others are spelled out: the compiler takes longer than they run. */
  readonly rolled: boolean;
  /** Times of kernels can be measured. */
  readonly timestamps: boolean;
}

/** A GPU's queue, and the tensors in its memory. */
export interface GpuHost {
  readonly limits: GpuLimits;
  readonly features: GpuFeatures;
  /**
   * A new tensor; freed when it is disposed, which is safe as soon as what uses it was enqueued.
   * @param options `zero: false` where every number is written before it is read.
   */
  tensor(
    shape: readonly number[],
    options?: { dtype?: DType; data?: Numbers | Uint16Array; zero?: boolean },
  ): Tensor;
  /** The tensor is this device's and alive. @throws {TypeError} If not. */
  check(tensor: Tensor): void;
  /** Whether two tensors lie in the same buffer, and a kernel that writes one may not read the other. */
  shares(a: Tensor, b: Tensor): boolean;
  /** Where its first number lies in its buffer, in elements. */
  offset(tensor: Tensor): number;
  /** The integers of a tensor that only the host has written. */
  known(tensor: Tensor): Int32Array | undefined;
  /**
   * What `make` makes of a tensor's numbers, which is made once for all who ask by this name: it is
   * kept until the numbers are written or freed, and a caller disposes of what it was given.
   */
  derived<Resource extends Disposable>(
    tensor: Tensor,
    name: string,
    make: () => Resource,
  ): Disposable & { readonly resource: Resource };
  /** Makes all numbers zeros, if the tensor is all of its memory; says whether it is. */
  zeroLater(tensor: Tensor): boolean;
  /**
   * Whether all of these are zeros that were not written yet. Then they never are: who asks must
   * write every number, and not add to them. False where one shares its memory with another of them
   * or with an input.
   */
  takesZeros(outs: readonly Tensor[], inputs: readonly Tensor[]): boolean;
  /**
   * Enqueues a kernel. A tensor that is read and shares its buffer with one that is written is
   * copied first, so that in-place calls are right; a launcher that can do better may.
   */
  run(kernel: Kernel, launch: Launch): void;
  /** Writes numbers from the first element on; of f16, numbers to be rounded or their patterns. */
  write(tensor: Tensor, data: Numbers | Uint16Array): void;
  /** Enqueues a copy of whole bytes: both tensors have the same dtype and size. */
  copy(from: Tensor, to: Tensor): void;
}

/** Workgroups for `count` of them, on as many axes as the limit asks: x + y · groups.x counts them. */
export function spread(host: GpuHost, count: number): [number, number] {
  const most = host.limits.groups;
  if (count <= most) return [Math.max(1, count), 1];
  const y = Math.ceil(count / most);
  return [Math.ceil(count / y), y];
}
