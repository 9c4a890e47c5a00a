// score_tile: the micro-kernel of logits, C [6, 8] = A [6, k] · B [k, 8].
//
//   a   f32 [6, k]   in    rows `aRow` apart, numbers side by side
//   b   f32 [k, 8]   in    rows `bStep` apart
//   c   f32 [6, 8]   out   rows `cRow` apart
//
// Strides in bytes. An error of a logit is a relative error of a weight: where softmax is sharp, one
// chain over a wide head, as in tile.ts, is too inexact. So the sum is cut into runs, each a chain
// of its own; that more than halved the error, and no loss of speed could be measured.

import { madd } from "./simd";

/** Steps of one chain. */
export const SCORE_RUN: u32 = 16;

export function scoreTile(
  k: u32,
  a: usize,
  aRow: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
): void {
  const zero = f32x4.splat(0);
  if (k == 0) return;
  // What addresses are compared with, into registers: see packed_tile.ts.
  load<u8>(a, 3), load<u8>(b, 15), load<u8>(b, 31);
  for (let isFirst = true; k > 0; isFirst = false) {
    let c0l = zero, c0r = zero, c1l = zero, c1r = zero, c2l = zero, c2r = zero;
    let c3l = zero, c3r = zero, c4l = zero, c4r = zero, c5l = zero, c5r = zero;
    let steps = min(k, SCORE_RUN);
    k -= steps;
    for (; steps > 0; steps--) {
      const bl = v128.load(b), br = v128.load(b, 16);
      let at = a, x = v128.load32_splat(at);
      c0l = madd(x, bl, c0l), c0r = madd(x, br, c0r), at += aRow, x = v128.load32_splat(at);
      c1l = madd(x, bl, c1l), c1r = madd(x, br, c1r), at += aRow, x = v128.load32_splat(at);
      c2l = madd(x, bl, c2l), c2r = madd(x, br, c2r), at += aRow, x = v128.load32_splat(at);
      c3l = madd(x, bl, c3l), c3r = madd(x, br, c3r), at += aRow, x = v128.load32_splat(at);
      c4l = madd(x, bl, c4l), c4r = madd(x, br, c4r), at += aRow, x = v128.load32_splat(at);
      c5l = madd(x, bl, c5l), c5r = madd(x, br, c5r);
      a += 4;
      b += bStep;
    }
    let at = c;
    finish(at, c0l, c0r, isFirst), at += cRow;
    finish(at, c1l, c1r, isFirst), at += cRow;
    finish(at, c2l, c2r, isFirst), at += cRow;
    finish(at, c3l, c3r, isFirst), at += cRow;
    finish(at, c4l, c4r, isFirst), at += cRow;
    finish(at, c5l, c5r, isFirst);
  }
}

/** Stores the first run's sums, and adds those of the others. */
@inline
function finish(at: usize, left: v128, right: v128, isFirst: bool): void {
  v128.store(at, isFirst ? left : f32x4.add(v128.load(at), left));
  v128.store(at, isFirst ? right : f32x4.add(v128.load(at, 16), right), 16);
}
