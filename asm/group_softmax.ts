// group_softmax: the logits of a group of queries in a block to weights, turned for addGroup.

import { GROUP } from "./landmark_job";
import { clear, firstLanes, rowExp } from "./row_softmax";
import { maxLanes } from "./simd";
import { firstHalves, firstPairs, secondHalves, secondPairs } from "./tile";

/**
 * turned [count, GROUP] = gate · softmax(scores [GROUP, count]), 0 for queries that do not see the
 * block; which do is in the bits of `seen`. Up to three steps behind the last are overwritten.
 *
 * All rows take a step of the softmax before any takes the next: so none waits for its own numbers.
 */
export function turnSoftmax(
  seen: u32,
  scores: usize,
  scoresRow: usize,
  count: u32,
  gates: usize,
  gatesRow: usize,
  turned: usize,
): void {
  // Where the first step will be: each query's largest logit, then what it is to be scaled by.
  const factors = turned;
  groupMax(scores, scoresRow, count, factors);
  for (let i: u32 = 0, x = scores; i < GROUP; i++, x += scoresRow, gates += gatesRow) {
    const factor = factors + (i << 2);
    if ((seen >> i) & 1) {
      store<f32>(factor, load<f32>(gates) / rowExp(x, count, load<f32>(factor)));
    } else {
      clear(x, x + (count << 2));
      store<f32>(factor, 0);
    }
  }
  turnScaled(scores, scoresRow, count, factors, turned);
}

/** out [GROUP] = the largest of each of GROUP rows, side by side: −∞ of none. */
function groupMax(x: usize, row: usize, count: u32, out: usize): void {
  const least = f32x4.splat(-Infinity);
  let a = least, b = least, c = least, d = least, e = least;
  for (; count >= 4; count -= 4, x += 16) {
    let at = x;
    a = f32x4.pmax(a, v128.load(at)), at += row;
    b = f32x4.pmax(b, v128.load(at)), at += row;
    c = f32x4.pmax(c, v128.load(at)), at += row;
    d = f32x4.pmax(d, v128.load(at)), at += row;
    e = f32x4.pmax(e, v128.load(at));
  }
  if (count > 0) {
    const lanes = firstLanes(count);
    a = f32x4.pmax(a, v128.bitselect(v128.load(x), least, lanes)), x += row;
    b = f32x4.pmax(b, v128.bitselect(v128.load(x), least, lanes)), x += row;
    c = f32x4.pmax(c, v128.bitselect(v128.load(x), least, lanes)), x += row;
    d = f32x4.pmax(d, v128.bitselect(v128.load(x), least, lanes)), x += row;
    e = f32x4.pmax(e, v128.bitselect(v128.load(x), least, lanes));
  }
  // Four rows on their side: the largest of four numbers of each.
  const ab = firstHalves(a, b), cd = firstHalves(c, d);
  const moreAb = secondHalves(a, b), moreCd = secondHalves(c, d);
  const some = f32x4.pmax(firstPairs(ab, cd), secondPairs(ab, cd));
  const others = f32x4.pmax(firstPairs(moreAb, moreCd), secondPairs(moreAb, moreCd));
  v128.store(out, f32x4.pmax(some, others));
  store<f32>(out, maxLanes(e), 16);
}

/** turned [count, GROUP] = factors [GROUP] · weights [GROUP, count], in whole fours of steps. */
function turnScaled(
  weights: usize,
  row: usize,
  count: u32,
  factors: usize,
  turned: usize,
): void {
  const fa = v128.load32_splat(factors), fb = v128.load32_splat(factors, 4);
  const fc = v128.load32_splat(factors, 8), fd = v128.load32_splat(factors, 12);
  const fe = v128.load32_splat(factors, 16);
  const end = weights + (count << 2);
  for (; weights < end; weights += 16, turned += GROUP << 4) {
    let at = weights;
    const a = f32x4.mul(v128.load(at), fa);
    at += row;
    const b = f32x4.mul(v128.load(at), fb);
    at += row;
    const c = f32x4.mul(v128.load(at), fc);
    at += row;
    const d = f32x4.mul(v128.load(at), fd);
    const e = f32x4.mul(v128.load(at + row), fe);
    const ab = firstHalves(a, b), cd = firstHalves(c, d);
    const moreAb = secondHalves(a, b), moreCd = secondHalves(c, d);
    v128.store(turned, firstPairs(ab, cd));
    v128.store_lane<f32>(turned, e, 0, 16);
    v128.store(turned, secondPairs(ab, cd), 20);
    v128.store_lane<f32>(turned, e, 1, 36);
    v128.store(turned, firstPairs(moreAb, moreCd), 40);
    v128.store_lane<f32>(turned, e, 2, 56);
    v128.store(turned, secondPairs(moreAb, moreCd), 60);
    v128.store_lane<f32>(turned, e, 3, 76);
  }
}
