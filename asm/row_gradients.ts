// row_gradients: logits to weights and gradients of logits, `count` of one row at any address.
//
//   x    f32 [count]   logits in, weights out
//   dx   f32 [count]   dO · v in, gradients of the logits out
//
// Numbers behind the last one may be read, and stay as they are.

import { expShifted, firstLanes, rowMax } from "./row_softmax";
import { madd, storeTail, sumLanes } from "./simd";

/** Of the top group: A = exp(x − top), ds = A (dO·v − Δ). */
export function topGradients(x: usize, dx: usize, count: u32, top: f32, delta: f32): void {
  const tops = f32x4.splat(top), deltas = f32x4.splat(delta);
  for (; count >= 4; count -= 4, x += 16, dx += 16) {
    const a = expShifted(f32x4.sub(v128.load(x), tops));
    v128.store(x, a);
    v128.store(dx, f32x4.mul(a, f32x4.sub(v128.load(dx), deltas)));
  }
  if (count > 0) {
    const a = expShifted(f32x4.sub(v128.load(x), tops));
    storeTail(x, a, count);
    storeTail(dx, f32x4.mul(a, f32x4.sub(v128.load(dx), deltas)), count);
  }
}

/** Of an earlier block with gate γ: A = γ π, ds = γ π (dO·v − dO·V̄). Returns dO·V̄ = Σ π dO·v. */
export function blockGradients(x: usize, dx: usize, count: u32, gate: f32): f32 {
  const most = f32x4.splat(rowMax(x, count));
  let sum = f32x4.splat(0), weighted = sum, at: usize = 0;
  const whole: usize = (count & ~3) << 2, rest = count & 3;
  for (; at < whole; at += 16) {
    const e = expShifted(f32x4.sub(v128.load(x + at), most));
    v128.store(x + at, e);
    sum = f32x4.add(sum, e);
    weighted = madd(e, v128.load(dx + at), weighted);
  }
  if (rest > 0) {
    const e = v128.and(expShifted(f32x4.sub(v128.load(x + at), most)), firstLanes(rest));
    storeTail(x + at, e, rest);
    sum = f32x4.add(sum, e);
    weighted = madd(e, v128.and(v128.load(dx + at), firstLanes(rest)), weighted);
  }
  const total = sumLanes(sum), mean = sumLanes(weighted) / total;

  const factor = f32x4.splat(gate / total), means = f32x4.splat(mean);
  for (at = 0; at < whole; at += 16) {
    const a = f32x4.mul(v128.load(x + at), factor);
    v128.store(x + at, a);
    v128.store(dx + at, f32x4.mul(a, f32x4.sub(v128.load(dx + at), means)));
  }
  if (rest > 0) {
    const a = f32x4.mul(v128.load(x + at), factor);
    storeTail(x + at, a, rest);
    storeTail(dx + at, f32x4.mul(a, f32x4.sub(v128.load(dx + at), means)), rest);
  }
  return mean;
}

/** x [count] · y. */
export function rowDot(x: usize, y: usize, count: u32): f32 {
  let sum = f32x4.splat(0);
  for (; count >= 4; count -= 4, x += 16, y += 16) sum = madd(v128.load(x), v128.load(y), sum);
  if (count > 0) {
    const lanes = firstLanes(count);
    sum = madd(v128.and(v128.load(x), lanes), v128.and(v128.load(y), lanes), sum);
  }
  return sumLanes(sum);
}

/** out [count] += factor · x. */
export function addScaled(x: usize, count: u32, factor: f32, out: usize): void {
  const factors = f32x4.splat(factor);
  for (; count >= 4; count -= 4, x += 16, out += 16) {
    v128.store(out, madd(v128.load(x), factors, v128.load(out)));
  }
  if (count > 0) storeTail(out, madd(v128.load(x), factors, v128.load(out)), count);
}
