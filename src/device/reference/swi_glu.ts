import type { Reals } from "./tensors.ts";

/** out = silu(gate) · up, all [T, F]; silu(x) = x · sigmoid(x). */
export function swiGlu(gate: Reals, up: Reals, out: Reals): void {
  for (let i = 0; i < out.data.length; i++) {
    out.data[i] = gate.data[i] * sigmoid(gate.data[i]) * up.data[i];
  }
}

/** dGate += dOut · up · silu′(gate), dUp += dOut · silu(gate); silu′(x) = σ + x · σ · (1 − σ). */
export function swiGluBackward(
  gate: Reals,
  up: Reals,
  dOut: Reals,
  dGate: Reals,
  dUp: Reals,
): void {
  for (let i = 0; i < dOut.data.length; i++) {
    const x = gate.data[i];
    const share = sigmoid(x);
    dGate.data[i] += dOut.data[i] * up.data[i] * (share + x * share * (1 - share));
    dUp.data[i] += dOut.data[i] * x * share;
  }
}

function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}
