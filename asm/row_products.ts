// row_products: one row times rows that lie anywhere, and times a matrix. Logits are summed in
// runs, as in score_tile.ts, values in one chain, as in tile.ts: a row alone gives the same bits.

import { clear } from "./row_softmax";
import { SCORE_RUN } from "./score_tile";
import { madd, storeTail } from "./simd";
import { firstHalves, firstPairs, secondHalves, secondPairs } from "./tile";

/**
 * scores [count] = q · rows; a list of u32, `listStep` bytes apart, numbers the rows, which lie
 * `step` bytes apart.
 */
export function rowScores(
  q: usize,
  dim: u32,
  rows: usize,
  step: u32,
  list: usize,
  listStep: u32,
  count: u32,
  scores: usize,
): void {
  for (let i: u32 = 0; i < count; i += 4, list += listStep << 2, scores += 16) {
    // Past the end the last row stands in.
    const left = count - i - 1;
    const a = rows + load<u32>(list) * step;
    const b = rows + load<u32>(list + min(1, left) * listStep) * step;
    const c = rows + load<u32>(list + min(2, left) * listStep) * step;
    const d = rows + load<u32>(list + min(3, left) * listStep) * step;
    const four = fourDots(q, dim, a, b, c, d);
    if (left >= 3) v128.store(scores, four);
    else storeTail(scores, four, left + 1);
  }
}

/** scores [count] = q · rows, `step` bytes apart; 0 − step goes backwards. */
export function runScores(
  q: usize,
  dim: u32,
  rows: usize,
  step: u32,
  count: u32,
  scores: usize,
): void {
  for (let i: u32 = 0; i < count; i += 4, rows += step << 2, scores += 16) {
    // Past the end the last row stands in.
    const left = count - i - 1, b = rows + step * min(1, left), c = rows + step * min(2, left);
    const four = fourDots(q, dim, rows, b, c, rows + step * min(3, left));
    if (left >= 3) v128.store(scores, four);
    else storeTail(scores, four, left + 1);
  }
}

/** out [D] += Σ weights [count] · rows, `step` bytes apart. */
export function addRun(
  weights: usize,
  rows: usize,
  step: u32,
  count: u32,
  dim: u32,
  out: usize,
): void {
  for (; count >= 4; count -= 4, weights += 16, rows += step << 2) {
    addFour(weights, rows, rows + step, rows + 2 * step, rows + 3 * step, dim, out);
  }
  for (; count > 0; count--, weights += 4, rows += step) {
    addRow(v128.load32_splat(weights), rows, dim, out);
  }
}

/** x · a, x · b, x · c, x · d of `dim` numbers each. */
function fourDots(x: usize, dim: u32, a: usize, b: usize, c: usize, d: usize): v128 {
  let total = f32x4.splat(0);
  while (dim > 0) {
    let sum = f32x4.splat(0), steps = min(dim, SCORE_RUN);
    dim -= steps;
    for (; steps >= 4; steps -= 4, x += 16, a += 16, b += 16, c += 16, d += 16) {
      sum = fourSteps(x, 4, v128.load(a), v128.load(b), v128.load(c), v128.load(d), sum);
    }
    if (steps > 0) {
      sum = fourSteps(x, steps, v128.load(a), v128.load(b), v128.load(c), v128.load(d), sum);
    }
    total = f32x4.add(total, sum);
  }
  return total;
}

/** The next steps, up to four, of four dot products. */
@inline
function fourSteps(x: usize, steps: u32, a: v128, b: v128, c: v128, d: v128, sum: v128): v128 {
  const ab = firstHalves(a, b), cd = firstHalves(c, d);
  sum = madd(v128.load32_splat(x), firstPairs(ab, cd), sum);
  if (steps == 1) return sum;
  sum = madd(v128.load32_splat(x, 4), secondPairs(ab, cd), sum);
  if (steps == 2) return sum;
  const moreAb = secondHalves(a, b), moreCd = secondHalves(c, d);
  sum = madd(v128.load32_splat(x, 8), firstPairs(moreAb, moreCd), sum);
  if (steps == 3) return sum;
  return madd(v128.load32_splat(x, 12), secondPairs(moreAb, moreCd), sum);
}

/** out [D] += Σ weights [count] · the rows, `step` bytes apart, that a list of u32 names. */
export function addRows(
  weights: usize,
  rows: usize,
  step: u32,
  list: usize,
  count: u32,
  dim: u32,
  out: usize,
): void {
  for (; count >= 4; count -= 4, weights += 16, list += 16) {
    const a = rows + load<u32>(list) * step, b = rows + load<u32>(list, 4) * step;
    const c = rows + load<u32>(list, 8) * step, d = rows + load<u32>(list, 12) * step;
    addFour(weights, a, b, c, d, dim, out);
  }
  for (; count > 0; count--, weights += 4, list += 4) {
    addRow(v128.load32_splat(weights), rows + load<u32>(list) * step, dim, out);
  }
}

/** out [D] += four weighted rows. */
function addFour(
  weights: usize,
  a: usize,
  b: usize,
  c: usize,
  d: usize,
  dim: u32,
  out: usize,
): void {
  const wa = v128.load32_splat(weights), wb = v128.load32_splat(weights, 4);
  const wc = v128.load32_splat(weights, 8), wd = v128.load32_splat(weights, 12);
  for (; dim >= 4; dim -= 4, a += 16, b += 16, c += 16, d += 16, out += 16) {
    const ab = madd(wb, v128.load(b), madd(wa, v128.load(a), v128.load(out)));
    v128.store(out, madd(wd, v128.load(d), madd(wc, v128.load(c), ab)));
  }
  if (dim > 0) {
    const ab = madd(wb, v128.load(b), madd(wa, v128.load(a), v128.load(out)));
    storeTail(out, madd(wd, v128.load(d), madd(wc, v128.load(c), ab)), dim);
  }
}

/** out [D] += weight · row. */
function addRow(weight: v128, row: usize, dim: u32, out: usize): void {
  for (; dim >= 4; dim -= 4, row += 16, out += 16) {
    v128.store(out, madd(weight, v128.load(row), v128.load(out)));
  }
  if (dim > 0) storeTail(out, madd(weight, v128.load(row), v128.load(out)), dim);
}

/** scores [n] = q [dim] · keys [dim, n]. */
export function turnedScores(q: usize, dim: u32, keys: usize, n: u32, scores: usize): void {
  clear(scores, scores + (n << 2));
  for (let d: u32 = 0; d < dim; d += SCORE_RUN) {
    rowTimes(q + (d << 2), min(SCORE_RUN, dim - d), keys + ((d * n) << 2), n, scores, false);
  }
}

/** out [n] += weights [count] · values [count, n]. */
export function addWeighted(weights: usize, count: u32, values: usize, n: u32, out: usize): void {
  rowTimes(weights, count, values, n, out, true);
}

/** out [n] += a [k] · b [k, n]; the sums go on from out, or are added to it afterwards. */
function rowTimes(a: usize, k: u32, b: usize, n: u32, out: usize, goesOn: bool): void {
  const row = n << 2;
  for (; n >= 32; n -= 32, b += 128, out += 128) times32(a, k, b, row, out, goesOn);
  for (; n > 0; n -= min(n, 4), b += 16, out += 16) {
    const before = v128.load(out), sum = times4(a, k, b, row, goesOn ? before : f32x4.splat(0));
    const after = goesOn ? sum : f32x4.add(before, sum);
    if (n >= 4) v128.store(out, after);
    else storeTail(out, after, n);
  }
}

/** Thirty-two columns of it. */
function times32(a: usize, k: u32, b: usize, row: u32, out: usize, goesOn: bool): void {
  let s0 = f32x4.splat(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  if (goesOn) {
    s0 = v128.load(out), s1 = v128.load(out, 16), s2 = v128.load(out, 32), s3 = v128.load(out, 48);
    s4 = v128.load(out, 64), s5 = v128.load(out, 80), s6 = v128.load(out, 96);
    s7 = v128.load(out, 112);
  }
  for (; k > 0; k--, a += 4, b += row) {
    const x = v128.load32_splat(a);
    s0 = madd(x, v128.load(b), s0), s1 = madd(x, v128.load(b, 16), s1);
    s2 = madd(x, v128.load(b, 32), s2), s3 = madd(x, v128.load(b, 48), s3);
    s4 = madd(x, v128.load(b, 64), s4), s5 = madd(x, v128.load(b, 80), s5);
    s6 = madd(x, v128.load(b, 96), s6), s7 = madd(x, v128.load(b, 112), s7);
  }
  if (!goesOn) {
    s0 = f32x4.add(v128.load(out), s0), s1 = f32x4.add(v128.load(out, 16), s1);
    s2 = f32x4.add(v128.load(out, 32), s2), s3 = f32x4.add(v128.load(out, 48), s3);
    s4 = f32x4.add(v128.load(out, 64), s4), s5 = f32x4.add(v128.load(out, 80), s5);
    s6 = f32x4.add(v128.load(out, 96), s6), s7 = f32x4.add(v128.load(out, 112), s7);
  }
  v128.store(out, s0), v128.store(out, s1, 16), v128.store(out, s2, 32), v128.store(out, s3, 48);
  v128.store(out, s4, 64), v128.store(out, s5, 80), v128.store(out, s6, 96);
  v128.store(out, s7, 112);
}

/** Four columns of it, added to a sum. */
function times4(a: usize, k: u32, b: usize, row: u32, sum: v128): v128 {
  for (; k > 0; k--, a += 4, b += row) sum = madd(v128.load32_splat(a), v128.load(b), sum);
  return sum;
}
