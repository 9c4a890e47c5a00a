import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { EXP_WORK, type Host, launch } from "./host.ts";

/** out = silu(gate) · up; asm/swi_glu.ts. */
export function swiGlu(host: Host, gate: Tensor, up: Tensor, out: Tensor): void {
  const { X } = checkShapes("swiGlu", { gate, up, out });
  const [gateAt, upAt, outAt] = [host.address(gate), host.address(up), host.address(out)];
  launch(host, EXP_WORK * X, "swiGlu", gateAt, upAt, outAt, X);
}

/** Adds to dGate and dUp; asm/swi_glu.ts. */
export function swiGluBackward(
  host: Host,
  gate: Tensor,
  up: Tensor,
  dOut: Tensor,
  dGate: Tensor,
  dUp: Tensor,
): void {
  const { X } = checkShapes("swiGluBackward", { gate, up, dOut, dGate, dUp });
  const inputs = [host.address(gate), host.address(up), host.address(dOut)];
  const outputs = [host.address(dGate), host.address(dUp)];
  launch(host, EXP_WORK * X, "swiGluBackward", ...inputs, ...outputs, X);
}
