/** Kernels that are written for a `Number` of one or of four: wgsl/ones.wgsl, wgsl/fours.wgsl. */

import fours from "../../../wgsl/fours.wgsl" with { type: "text" };
import ones from "../../../wgsl/ones.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import type { GpuHost } from "./host.ts";
import type { Kernel } from "./kernel.ts";

/** How many numbers a kernel takes at once. */
export type Width = 1 | 4;

/** A kernel in both widths. */
export function wideKernel(name: string, source: string): Readonly<Record<Width, Kernel>> {
  return { 1: { name, source: ones + source }, 4: { name, source: fours + source } };
}

/** 4 where all tensors begin at a multiple of four numbers and `length` is one, else 1. */
export function widthOf(host: GpuHost, tensors: readonly Tensor[], length: number): Width {
  const fits = (count: number) => count % 4 === 0;
  return fits(length) && tensors.every((tensor) => fits(host.offset(tensor))) ? 4 : 1;
}
