import combineLanes from "../../../wgsl/combine_lanes.wgsl" with { type: "text" };
import source from "../../../wgsl/rms_norm.wgsl" with { type: "text" };
import backward from "../../../wgsl/rms_norm_backward.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { addRows } from "./add_rows.ts";
import { float, type GpuHost, spread } from "./host.ts";
import type { Constants } from "./kernel.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("rms_norm", combineLanes + source);
const kernelBackward = wideKernel("rms_norm_backward", combineLanes + backward);

/** A workgroup: some rows of 32 threads each, or one that is long. */
const THREADS = 128;
/** Numbers that a thread keeps of a row, at most, if 32 threads take it. */
const KEPT = 8;
/** Rows of a team in the backward pass, at most: more save sums, fewer keep more of a GPU busy. */
const STRETCH = 8;
/** Workgroups that keep it busy. */
const BUSY = 512;

/** out [T, C] = x / √(mean(x²) + epsilon) · weight [C]; wgsl/rms_norm.wgsl. */
export function rmsNorm(
  host: GpuHost,
  x: Tensor,
  weight: Tensor,
  out: Tensor,
  { epsilon }: { epsilon: number },
): void {
  const { T, C } = checkShapes("rmsNorm", { x, weight, out });
  if (T * C === 0) return;
  const wide = widthOf(host, [x, weight, out], C);
  const { teams, constants } = shareOf(C / wide);
  host.run(kernel[wide], {
    tensors: [x, weight, out],
    params: [T, float(epsilon)],
    constants,
    groups: spread(host, Math.ceil(T / teams)),
  });
}

/** Adds to dX [T, C], and by way of sums over some rows to dWeight; wgsl/rms_norm_backward.wgsl. */
export function rmsNormBackward(
  host: GpuHost,
  x: Tensor,
  weight: Tensor,
  dOut: Tensor,
  dX: Tensor,
  dWeight: Tensor,
  { epsilon }: { epsilon: number },
): void {
  const { T, C } = checkShapes("rmsNormBackward", { x, weight, dOut, dX, dWeight });
  if (T * C === 0) return;
  const wide = widthOf(host, [x, weight, dOut, dX], C);
  const { teams, constants } = shareOf(C / wide);
  const least = Math.ceil(T / teams / host.limits.groups);
  const stretch = Math.max(least, Math.min(STRETCH, Math.ceil(T / teams / BUSY)));
  const count = Math.ceil(T / teams / stretch);
  using sums = host.tensor([count, C], { zero: false });
  host.run(kernelBackward[wide], {
    tensors: [x, weight, dOut, dX, sums],
    params: [T, stretch, float(epsilon)],
    constants,
    groups: [count],
  });
  addRows(host, sums, dWeight);
}

/** How the threads of a workgroup share rows of so many numbers (or fours of them). */
function shareOf(length: number): { teams: number; constants: Constants } {
  const lanes = length > 32 * KEPT ? THREADS : 32;
  return { teams: THREADS / lanes, constants: { THREADS, LANES: lanes, ROW: length } };
}
