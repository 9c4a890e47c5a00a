// score_tile: the micro-kernel of logits, C [5, 8] = A [k, 5] on its side · B [k, 8].
//
//   a   f32 [k, 5]   in    one step after another
//   b   f32 [k, 8]   in    steps `bStep` apart
//   c   f32 [5, 8]   out   rows `cRow` apart
//
// Strides in bytes; the loop is that of packed_tile.ts. An error of a logit is a relative error of a
// weight: where softmax is sharp, one chain over a wide head, as in tile.ts, is too inexact. So the
// sum is cut into runs, each a chain of its own; that more than halved the error. What the runs have
// come to is kept on the stack, where no address is checked.

import { PACKED_ROWS, spread0, spread1, spread2 } from "./packed_tile";
import { madd } from "./simd";

/** Steps of one chain. */
export const SCORE_RUN: u32 = 16;

export function scoreTile(k: u32, a: usize, b: usize, bStep: usize, c: usize, cRow: usize): void {
  const zero = f32x4.splat(0);
  let s0l = zero, s0r = zero, s1l = zero, s1r = zero, s2l = zero, s2r = zero;
  let s3l = zero, s3r = zero, s4l = zero, s4r = zero;
  if (k == 0) return;
  // What addresses are compared with, into registers: see packed_tile.ts.
  load<u8>(a, 15), load<u8>(a, 19), load<u8>(b, 15), load<u8>(b, 31);
  while (k > 0) {
    let c0l = zero, c0r = zero, c1l = zero, c1r = zero, c2l = zero, c2r = zero;
    let c3l = zero, c3r = zero, c4l = zero, c4r = zero;
    const steps = min(k, SCORE_RUN), end = a + steps * (PACKED_ROWS << 2);
    k -= steps;
    while (true) {
      let x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
      c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
      c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
      c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
      c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r), y = v128.load32_splat(a, 16);
      c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
      a += PACKED_ROWS << 2, b += bStep;
      if (a == end) break;

      x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
      c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
      c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
      c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
      c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r), y = v128.load32_splat(a, 16);
      c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
      a += PACKED_ROWS << 2, b += bStep;
      if (a == end) break;

      x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
      c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
      c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
      c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
      c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r), y = v128.load32_splat(a, 16);
      c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
      a += PACKED_ROWS << 2, b += bStep;
      if (a == end) break;

      x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
      c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
      c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
      c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
      c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r), y = v128.load32_splat(a, 16);
      c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
      a += PACKED_ROWS << 2, b += bStep;
      if (a == end) break;
    }
    s0l = f32x4.add(s0l, c0l), s0r = f32x4.add(s0r, c0r);
    s1l = f32x4.add(s1l, c1l), s1r = f32x4.add(s1r, c1r);
    s2l = f32x4.add(s2l, c2l), s2r = f32x4.add(s2r, c2r);
    s3l = f32x4.add(s3l, c3l), s3r = f32x4.add(s3r, c3r);
    s4l = f32x4.add(s4l, c4l), s4r = f32x4.add(s4r, c4r);
  }
  v128.store(c, s0l), v128.store(c, s0r, 16), c += cRow;
  v128.store(c, s1l), v128.store(c, s1r, 16), c += cRow;
  v128.store(c, s2l), v128.store(c, s2r, 16), c += cRow;
  v128.store(c, s3l), v128.store(c, s3r, 16), c += cRow;
  v128.store(c, s4l), v128.store(c, s4r, 16);
}
