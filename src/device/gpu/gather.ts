import source from "../../../wgsl/gather.wgsl" with { type: "text" };
import edgesSource from "../../../wgsl/gather_backward_edges.wgsl" with { type: "text" };
import orderSource from "../../../wgsl/gather_backward_order.wgsl" with { type: "text" };
import sumsSource from "../../../wgsl/gather_backward_sums.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("gather", source);
const kernelOrder = { name: "gather_backward_order", source: orderSource };
const kernelSums = wideKernel("gather_backward_sums", sumsSource);
const kernelEdges = wideKernel("gather_backward_edges", edgesSource);

/** Rows that a workgroup adds up, one after the other. */
const CHUNK = 32;

/** out [n, …] = x [R, …] at rows [n]; wgsl/gather.wgsl. */
export function gather(host: GpuHost, x: Tensor, rows: Tensor, out: Tensor): void {
  const { R, n, X } = checkShapes("gather", { x, rows, out });
  checkIndices(host, "gather", "rows", rows, [0, R]);
  if (n * X === 0) return;
  const wide = widthOf(host, [x, out], X);
  host.run(kernel[wide], {
    tensors: [x, rows, out],
    params: [n, R],
    constants: { ROW: X / wide },
    groups: spread(host, Math.ceil(n * X / wide / 256)),
  });
}

/**
 * dX [R, …] at rows[i] += dOut[i], in the order of i: i is sorted by its row, then runs of equal
 * rows are summed, however unevenly the rows are met and however many there are.
 */
export function gatherBackward(host: GpuHost, dOut: Tensor, rows: Tensor, dX: Tensor): void {
  const { R, n, X } = checkShapes("gatherBackward", { dOut, rows, dX });
  checkIndices(host, "gatherBackward", "rows", rows, [0, R]);
  if (n * X === 0) return;
  const wide = widthOf(host, [dOut, dX], X);
  const chunks = Math.ceil(n / CHUNK);
  using order = host.tensor([n], { dtype: "i32", zero: false });
  using edges = host.tensor([chunks, 2, X], { zero: false });
  host.run(kernelOrder, {
    tensors: [rows, order],
    params: [n],
    groups: spread(host, Math.ceil(n / 32)),
  });
  const slices = Math.ceil(X / wide / 64);
  const launch = {
    params: [n],
    constants: { CHUNK, ROW: X / wide, SLICES: slices },
    groups: spread(host, chunks * slices),
  };
  host.run(kernelSums[wide], { ...launch, tensors: [dOut, rows, order, dX, edges] });
  host.run(kernelEdges[wide], { ...launch, tensors: [rows, order, edges, dX] });
}
