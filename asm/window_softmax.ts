// window_softmax: the scores of one query, wherever they come from, to weights.

import { logOf } from "./math";
import { addScaled } from "./row_gradients";
import { rowExp, rowMax, rowScale } from "./row_softmax";
import { loadTail, storeTail, sumLanes } from "./simd";

/** q = factor · (x + bias), `dim` numbers; bias 0 is none. */
export function biasedRow(x: usize, bias: usize, dim: u32, factor: f32, q: usize): void {
  memory.copy(q, x, dim << 2);
  if (bias) addScaled(bias, dim, 1, q);
  rowScale(q, dim, factor);
}

/**
 * scores [count] += those of positions, which stand in a row from place `place` on. Places below 0
 * are further than any: they all have the number at 0.
 */
export function addPositions(scores: usize, count: u32, positions: usize, place: i32): void {
  const far = min(count, <u32> max(-place, 0));
  if (far > 0) addConstant(scores, far, load<f32>(positions));
  addScaled(positions + (max(place, 0) << 2), count - far, 1, scores + (far << 2));
}

/** The way back of addPositions, into zeros: the far ones are added up. */
export function takePositions(dScores: usize, count: u32, positions: usize, place: i32): void {
  const far = min(count, <u32> max(-place, 0)), near = dScores + (far << 2);
  if (far > 0) store<f32>(positions, rowSum(dScores, far));
  addScaled(near, count - far, 1, positions + (max(place, 0) << 2));
}

/** Scores to weights that add up to the result; the log-sum-exp goes to `lse`. count ≥ 1. */
export function windowSoftmax(scores: usize, count: u32, lse: usize): f32 {
  const most = rowMax(scores, count), sum = rowExp(scores, count, most);
  store<f32>(lse, most + logOf(sum));
  return sum;
}

function rowSum(x: usize, count: u32): f32 {
  let sum = f32x4.splat(0);
  for (; count >= 4; count -= 4, x += 16) sum = f32x4.add(sum, v128.load(x));
  if (count > 0) sum = f32x4.add(sum, loadTail(x, count));
  return sumLanes(sum);
}

/** x [count] += value. */
function addConstant(x: usize, count: u32, value: f32): void {
  const values = f32x4.splat(value);
  for (; count >= 4; count -= 4, x += 16) v128.store(x, f32x4.add(v128.load(x), values));
  if (count > 0) storeTail(x, f32x4.add(v128.load(x), values), count);
}
