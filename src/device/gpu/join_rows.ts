import source from "../../../wgsl/join_rows.wgsl" with { type: "text" };
import backwardSource from "../../../wgsl/join_rows_backward.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { joinBackwardShape, joinShape } from "../window.ts";
import { type GpuHost, spread } from "./host.ts";

const kernel = { name: "join_rows", source };
const kernelBackward = { name: "join_rows_backward", source: backwardSource };

/** out [B, m + n, …] = a and b, row by row; wgsl/join_rows.wgsl. */
export function joinRows(host: GpuHost, a: Tensor, b: Tensor, out: Tensor): void {
  const { B, m, n, X } = joinShape({ a, b, out });
  const count = B * (m + n) * X;
  if (count === 0) return;
  host.run(kernel, {
    tensors: [a, b, out],
    params: [count, m * X, n * X],
    groups: spread(host, Math.ceil(count / 256)),
  });
}

/** Adds the parts of dOut to dA and dB; wgsl/join_rows_backward.wgsl. */
export function joinRowsBackward(
  host: GpuHost,
  dOut: Tensor,
  dA: Tensor | undefined,
  dB: Tensor | undefined,
): void {
  const { B, m, n, X } = joinBackwardShape(dOut, dA, dB);
  for (const [part, first, rows] of [[dA, 0, m], [dB, m, n]] as const) {
    const count = B * rows * X;
    if (!part || count === 0) continue;
    host.run(kernelBackward, {
      tensors: [dOut, part],
      params: [count, rows * X, (m + n) * X, first * X],
      groups: spread(host, Math.ceil(count / 256)),
    });
  }
}
