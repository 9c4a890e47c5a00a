// row_gradients: logits to weights and gradients of logits, `count` of one row at any address.
//
//   x    f32 [count]   logits in, weights out
//   dx   f32 [count]   dO · v in, gradients of the logits out
//
// Numbers behind the last one may be read, and stay as they are.

import { firstLanes, rowExp, rowMax } from "./row_softmax";
import { madd, storeTail, sumLanes } from "./simd";

/** Of the top group: A = exp(x − top), ds = A (dO·v − Δ). */
export function topGradients(x: usize, dx: usize, count: u32, top: f32, delta: f32): void {
  rowExp(x, count, top);
  weigh(x, dx, count, 1, delta);
}

/** Of an earlier block with gate γ: A = γ π, ds = γ π (dO·v − dO·V̄). Returns dO·V̄ = Σ π dO·v. */
export function blockGradients(x: usize, dx: usize, count: u32, gate: f32): f32 {
  const sum = rowExp(x, count, rowMax(x, count)), mean = rowDot(x, dx, count) / sum;
  weigh(x, dx, count, gate / sum, mean);
  return mean;
}

/** x = factor · x, dx = x (dx − mean). */
function weigh(x: usize, dx: usize, count: u32, factor: f32, mean: f32): void {
  const factors = f32x4.splat(factor), means = f32x4.splat(mean);
  for (; count >= 4; count -= 4, x += 16, dx += 16) {
    const a = f32x4.mul(v128.load(x), factors);
    v128.store(x, a);
    v128.store(dx, f32x4.mul(a, f32x4.sub(v128.load(dx), means)));
  }
  if (count > 0) {
    const a = f32x4.mul(v128.load(x), factors);
    storeTail(x, a, count);
    storeTail(dx, f32x4.mul(a, f32x4.sub(v128.load(dx), means)), count);
  }
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
