// row_softmax: what a softmax is made of, on `count` logits at x, f32, any alignment. Numbers behind
// the last one may be read, and stay as they are.

import { logOf } from "./math";
import { madd, maxLanes, storeTail, sumLanes } from "./simd";

@inline
export function firstLanes(count: u32): v128 {
  return i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(count));
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

/** The lowest exponent, so that no weight is a denormal number: e⁻⁸⁷ is the smallest. */
const LOWEST = memory.data<f32>([-87]);
const LOG2_E = memory.data<f32>([1.44269504]);
/** 1.5 · 2²³: beside it there is no room for a fraction, and the lowest bits are the integer. */
const ROUNDER = memory.data<f32>([12582912]);
const ONE = memory.data<f32>([1]);
/** p of 2ᶠ = 1 + f · p(f), |f| ≤ ½, from the highest power on; the error is below 2e-8. */
const P = memory.data<f32>([
  1.53533634e-4, 1.33988739e-3, 9.61843692e-3, 5.55033237e-2, 2.40226477e-1, 6.93147182e-1,
]);

/**
 * x = exp(x − shift), for numbers up to some 80 above the shift; returns the sum.
 *
 * Constants are read from memory, and once: see math.ts.
 */
export function rowExp(x: usize, count: u32, shift: f32): f32 {
  const lowest = v128.load32_splat(LOWEST), log2E = v128.load32_splat(LOG2_E);
  const rounder = v128.load32_splat(ROUNDER), one = v128.load32_splat(ONE);
  const p0 = v128.load32_splat(P), p1 = v128.load32_splat(P, 4), p2 = v128.load32_splat(P, 8);
  const p3 = v128.load32_splat(P, 12), p4 = v128.load32_splat(P, 16), p5 = v128.load32_splat(P, 20);
  const shifts = f32x4.splat(shift);
  let sum = f32x4.splat(0);
  for (; count > 0; x += 16) {
    const y = f32x4.pmax(f32x4.sub(v128.load(x), shifts), lowest);
    // y = (n + f) · ln 2, n an integer
    const rounded = madd(y, log2E, rounder), f = madd(y, log2E, f32x4.sub(rounder, rounded));
    // Powers by pairs: a shorter chain than one after another.
    const square = f32x4.mul(f, f), low = madd(p4, f, p5);
    const p = madd(madd(madd(p0, f, p1), square, madd(p2, f, p3)), square, low);
    // 2ᶠ · 2ⁿ: n, the lowest bits of `rounded`, is added to the exponent.
    const e = i32x4.add(madd(p, f, one), i32x4.shl(rounded, 23));
    if (count < 4) {
      storeTail(x, e, count);
      return sumLanes(f32x4.add(sum, v128.and(e, firstLanes(count))));
    }
    v128.store(x, e);
    sum = f32x4.add(sum, e);
    count -= 4;
  }
  return sumLanes(sum);
}

/** x = x · factor. */
export function rowScale(x: usize, count: u32, factor: f32): void {
  scaleInto(x, count, factor, x);
}

/** to = x · factor. */
export function scaleInto(x: usize, count: u32, factor: f32, to: usize): void {
  const factors = f32x4.splat(factor);
  for (; count >= 4; count -= 4, x += 16, to += 16) {
    v128.store(to, f32x4.mul(v128.load(x), factors));
  }
  if (count > 0) storeTail(to, f32x4.mul(v128.load(x), factors), count);
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
