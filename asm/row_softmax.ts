// row_softmax: what a softmax is made of, on `count` logits at x, f32, any alignment. Numbers behind
// the last one may be read, and stay as they are.

import { logOf } from "./math";
import { madd, maxLanes, nmadd, storeTail, sumLanes } from "./simd";

@inline
export function firstLanes(count: u32): v128 {
  return i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

/**
 * eˣ in four lanes, for logits that were shifted: x up to some 80, and no less than e⁻⁸⁷ comes out.
 * That bound is what makes it cheaper than exp4: no denormal number, so one step to 2ⁿ.
 */
@inline
export function expShifted(x: v128): v128 {
  const bounded = f32x4.pmax(x, f32x4.splat(-87));
  // x = n · ln 2 + r. Beside 1.5 · 2²³ there is no room for a fraction: n is in the lowest bits.
  const magic = f32x4.splat(12582912);
  const shifted = madd(bounded, f32x4.splat(1.44269504), magic);
  const n = f32x4.sub(shifted, magic);
  const r = nmadd(n, f32x4.splat(-2.12194440e-4), nmadd(n, f32x4.splat(0.693359375), bounded));
  // eʳ = 1 + r + r² · p(r), as in exp4
  let p = f32x4.splat(1.98756912e-4);
  p = madd(p, r, f32x4.splat(1.39819994e-3));
  p = madd(p, r, f32x4.splat(8.33345205e-3));
  p = madd(p, r, f32x4.splat(4.16657962e-2));
  p = madd(p, r, f32x4.splat(1.66666657e-1));
  p = madd(p, r, f32x4.splat(0.5));
  const power = f32x4.add(f32x4.splat(1), madd(f32x4.mul(r, r), p, r));
  return i32x4.add(power, i32x4.shl(shifted, 23));
}

/** The largest, −∞ of none. */
export function rowMax(x: usize, count: u32): f32 {
  let most = f32x4.splat(-Infinity);
  for (; count >= 4; count -= 4, x += 16) most = f32x4.pmax(most, v128.load(x));
  if (count > 0) {
    const last = v128.bitselect(v128.load(x), f32x4.splat(-Infinity), firstLanes(count));
    most = f32x4.pmax(most, last);
  }
  return maxLanes(most);
}

/** x = exp(x − shift); returns the sum. */
export function rowExp(x: usize, count: u32, shift: f32): f32 {
  const shifts = f32x4.splat(shift);
  let sum = f32x4.splat(0);
  for (; count >= 4; count -= 4, x += 16) {
    const e = expShifted(f32x4.sub(v128.load(x), shifts));
    v128.store(x, e);
    sum = f32x4.add(sum, e);
  }
  if (count > 0) {
    const e = expShifted(f32x4.sub(v128.load(x), shifts));
    storeTail(x, e, count);
    sum = f32x4.add(sum, v128.and(e, firstLanes(count)));
  }
  return sumLanes(sum);
}

/** x = x · factor. */
export function rowScale(x: usize, count: u32, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (; count >= 4; count -= 4, x += 16) v128.store(x, f32x4.mul(v128.load(x), factors));
  if (count > 0) storeTail(x, f32x4.mul(v128.load(x), factors), count);
}

/** x = x + term. */
export function rowAdd(x: usize, count: u32, term: f32): void {
  const terms = f32x4.splat(term);
  for (; count >= 4; count -= 4, x += 16) v128.store(x, f32x4.add(v128.load(x), terms));
  if (count > 0) storeTail(x, f32x4.add(v128.load(x), terms), count);
}

/** x = gate · softmax(x), count ≥ 1. */
export function rowSoftmax(x: usize, count: u32, gate: f32): void {
  const sum = rowExp(x, count, rowMax(x, count));
  rowScale(x, count, gate / sum);
}

/** Zeros from one address to another, in numbers of four bytes. */
export function clear(from: usize, to: usize): void {
  for (; from + 16 <= to; from += 16) v128.store(from, f32x4.splat(0));
  for (; from < to; from += 4) store<f32>(from, 0);
}

/**
 * The softmax of a top group, which lies in four places; returns the log-sum-exp, −∞ of nothing.
 * All who take it here take the sum in one order, to the same bits.
 */
export function topSoftmax(
  foreign: usize,
  foreignCount: u32,
  chosen: usize,
  chosenCount: u32,
  blocks: usize,
  blockCount: u32,
  own: usize,
  ownCount: u32,
): f32 {
  const most = max(
    max(rowMax(foreign, foreignCount), rowMax(chosen, chosenCount)),
    max(rowMax(blocks, blockCount), rowMax(own, ownCount)),
  );
  const sum = rowExp(foreign, foreignCount, most) + rowExp(chosen, chosenCount, most) +
    rowExp(blocks, blockCount, most) + rowExp(own, ownCount, most);
  if (sum == 0) return -Infinity;
  rowScale(foreign, foreignCount, 1 / sum);
  rowScale(chosen, chosenCount, 1 / sum);
  rowScale(blocks, blockCount, 1 / sum);
  rowScale(own, ownCount, 1 / sum);
  return most + logOf(sum);
}
