import { sigmoid4 } from "./math";
import { groupStart, storeFirst } from "./simd";

/** out = silu(gate) · up, `count` elements. */
export function swiGlu(
  part: u32,
  parts: u32,
  gate: usize,
  up: usize,
  out: usize,
  count: u32,
): void {
  const end = groupStart(count, part + 1, parts);
  for (let i = groupStart(count, part, parts); i < end; i += 4) {
    const at = <usize> i << 2;
    const x = v128.load(gate + at);
    const y = f32x4.mul(f32x4.mul(x, sigmoid4(x)), v128.load(up + at));
    storeFirst(out + at, y, end - i);
  }
}

/** dUp += dOut · silu(gate); dGate += dOut · up · σ · (1 + gate · (1 − σ)), σ = sigmoid(gate). */
export function swiGluBackward(
  part: u32,
  parts: u32,
  gate: usize,
  up: usize,
  dOut: usize,
  dGate: usize,
  dUp: usize,
  count: u32,
): void {
  const one = f32x4.splat(1);
  const end = groupStart(count, part + 1, parts);
  for (let i = groupStart(count, part, parts); i < end; i += 4) {
    const at = <usize> i << 2;
    const x = v128.load(gate + at);
    const sigmoid = sigmoid4(x);
    const d = f32x4.mul(v128.load(dOut + at), sigmoid);
    const slope = f32x4.add(one, f32x4.mul(x, f32x4.sub(one, sigmoid)));
    const gateSum = f32x4.add(
      v128.load(dGate + at),
      f32x4.mul(f32x4.mul(d, v128.load(up + at)), slope),
    );
    const upSum = f32x4.add(v128.load(dUp + at), f32x4.mul(d, x));
    storeFirst(dGate + at, gateSum, end - i);
    storeFirst(dUp + at, upSum, end - i);
  }
}
