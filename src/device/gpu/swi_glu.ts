import source from "../../../wgsl/swi_glu.wgsl" with { type: "text" };
import backward from "../../../wgsl/swi_glu_backward.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { type GpuHost, spread } from "./host.ts";
import type { Constants } from "./kernel.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("swi_glu", source);
const kernelBackward = wideKernel("swi_glu_backward", backward);

/** out = silu(gate) · up; wgsl/swi_glu.wgsl. */
export function swiGlu(host: GpuHost, gate: Tensor, up: Tensor, out: Tensor): void {
  const { X } = checkShapes("swiGlu", { gate, up, out });
  run(host, kernel, [gate, up, out], X);
}

/** Adds to dGate and dUp; wgsl/swi_glu_backward.wgsl. */
export function swiGluBackward(
  host: GpuHost,
  gate: Tensor,
  up: Tensor,
  dOut: Tensor,
  dGate: Tensor,
  dUp: Tensor,
): void {
  const { X } = checkShapes("swiGluBackward", { gate, up, dOut, dGate, dUp });
  if (X === 0) return;
  const accumulate = !host.takesZeros([dGate, dUp], [gate, up, dOut]);
  const constants = { ACCUMULATE: Number(accumulate) };
  run(host, kernelBackward, [gate, up, dOut, dGate, dUp], X, constants);
}

function run(
  host: GpuHost,
  kernel: ReturnType<typeof wideKernel>,
  tensors: readonly Tensor[],
  X: number,
  constants: Constants = {},
): void {
  if (X === 0) return;
  const wide = widthOf(host, tensors, X);
  const groups = spread(host, Math.ceil(X / wide / 256));
  host.run(kernel[wide], { tensors, params: [X], constants, groups });
}
