import source from "../../../wgsl/mean_rows.wgsl" with { type: "text" };
import backward from "../../../wgsl/mean_rows_backward.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkInteger, checkShapes } from "../shapes.ts";
import { type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("mean_rows", source);
const kernelBackward = wideKernel("mean_rows_backward", backward);

/** out [n, …] = the mean of rows first[i] … first[i] + count − 1 of x [R, …]; wgsl/mean_rows.wgsl. */
export function meanRows(
  host: GpuHost,
  x: Tensor,
  first: Tensor,
  out: Tensor,
  { count }: { count: number },
): void {
  const { R, n, X } = checkShapes("meanRows", { x, first, out });
  checkInteger("meanRows", "count", count, [1, R]);
  checkIndices(host, "meanRows", "first", first, [0, R - count + 1]);
  if (n * X === 0) return;
  const wide = widthOf(host, [x, out], X);
  host.run(kernel[wide], {
    tensors: [x, first, out],
    params: [n, count],
    constants: { ROW: X / wide },
    groups: spread(host, Math.ceil(n * X / wide / 64)),
  });
}

/** dX [R, …] at rows first[i] … += dOut[i] / count; wgsl/mean_rows_backward.wgsl. */
export function meanRowsBackward(
  host: GpuHost,
  dOut: Tensor,
  first: Tensor,
  dX: Tensor,
  { count }: { count: number },
): void {
  const { R, n, X } = checkShapes("meanRowsBackward", { dOut, first, dX });
  checkInteger("meanRowsBackward", "count", count, [1, R]);
  checkIndices(host, "meanRowsBackward", "first", first, [0, R - count + 1]);
  if (n * X === 0) return;
  const wide = widthOf(host, [dOut, dX], X);
  host.run(kernelBackward[wide], {
    tensors: [dOut, first, dX],
    params: [R, n, count],
    constants: { ROW: X / wide },
    groups: spread(host, R),
  });
}
