// packed_tile: the micro-kernel of large products and of weighted sums.
//
//   a   f32 [k, rows]         in       rows 4 or 5, k > 0, steps `aStep` apart
//   b   f32 [k, 8]            in       steps `bStep` apart
//   c   f32 [rows, columns]   in/out   rows `cRow` apart, columns 1 … 8
//
// Strides in bytes.
//
// Sums are those of tile(), to the bit. It is written for engines that check every address (V8 in
// Deno): there a load costs three instructions, and those, not multiply-adds, are what a core of six
// a cycle has too few of. So one load brings four numbers of a, and shuffles spread them out.
//
// A check compares the address with the memory's size less where the load ends. Two loads from one
// address that end alike need one check: the last of the four numbers is loaded again for nothing.
// What addresses are compared with is worked out where it first occurs in a turn of a loop, as the
// memory may have grown meanwhile, and kept in registers for the rest of it: long turns pay.

import { madd } from "./simd";
import { finish } from "./tile";

/** The most rows of a tile: ten sums, two vectors of b, one of a and one spread out. */
export const PACKED_ROWS: u32 = 5;

/** C [rows, columns] (+)= A [k, rows] on its side · B [k, 8]. As in tile(), C may be read past its end. */
export function packedTile(
  rows: u32,
  columns: u32,
  k: u32,
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
  accumulate: bool,
): void {
  packedTiles(1, rows, columns, k, a, aStep, 0, b, bStep, 0, c, cRow, 0, accumulate);
}

/** `count` such tiles: the a, b and c of each lie aNext, bNext and cNext behind those of the one before. */
export function packedTiles(
  count: u32,
  rows: u32,
  columns: u32,
  k: u32,
  a: usize,
  aStep: usize,
  aNext: usize,
  b: usize,
  bStep: usize,
  bNext: usize,
  c: usize,
  cRow: usize,
  cNext: usize,
  accumulate: bool,
): void {
  // No else: of two such branches the compiler would make one, with tests of ROWS in its loop.
  if (rows == 5) {
    for (; count > 0; count--, a += aNext, b += bNext, c += cNext) {
      packedTileOf(5, columns, k, a, aStep, b, bStep, c, cRow, accumulate);
    }
  }
  if (rows == 4) {
    for (; count > 0; count--, a += aNext, b += bNext, c += cNext) {
      packedTileOf(4, columns, k, a, aStep, b, bStep, c, cRow, accumulate);
    }
  }
}

@inline
function packedTileOf(
  ROWS: u32,
  columns: u32,
  k: u32,
  a: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
  accumulate: bool,
): void {
  const c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow, c4 = c3 + cRow;
  const zero = f32x4.splat(0);
  let c0l = zero, c0r = zero, c1l = zero, c1r = zero, c2l = zero, c2r = zero;
  let c3l = zero, c3r = zero, c4l = zero, c4r = zero;
  if (accumulate) {
    const right: usize = columns > 4 ? 16 : 0;
    c0l = v128.load(c), c0r = v128.load(c + right);
    c1l = v128.load(c1), c1r = v128.load(c1 + right);
    c2l = v128.load(c2), c2r = v128.load(c2 + right);
    c3l = v128.load(c3), c3r = v128.load(c3 + right);
    if (ROWS > 4) c4l = v128.load(c4), c4r = v128.load(c4 + right);
  }

  // Loads that end where those of the loop do: without them the loop is compiled to be 1 % slower.
  load<u8>(a, 15);
  if (ROWS > 4) load<u8>(a, 19);
  load<u8>(b, 31);

  // Four steps a turn. But for the ways out between them, the compiler would make all madds of a sum
  // one expression, and hold the numbers of all steps at once, for which registers are too few.
  const end = a + k * aStep;
  while (true) {
    let x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
    c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
    c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
    c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
    c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r);
    if (ROWS > 4) y = v128.load32_splat(a, 16), c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
    a += aStep, b += bStep;
    if (a == end) break;

    x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
    c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
    c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
    c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
    c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r);
    if (ROWS > 4) y = v128.load32_splat(a, 16), c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
    a += aStep, b += bStep;
    if (a == end) break;

    x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
    c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
    c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
    c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
    c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r);
    if (ROWS > 4) y = v128.load32_splat(a, 16), c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
    a += aStep, b += bStep;
    if (a == end) break;

    x = v128.load(a), bl = v128.load(b), br = v128.load(b, 16), y = spread0(x);
    c0l = madd(y, bl, c0l), c0r = madd(y, br, c0r), y = spread1(x);
    c1l = madd(y, bl, c1l), c1r = madd(y, br, c1r), y = spread2(x);
    c2l = madd(y, bl, c2l), c2r = madd(y, br, c2r), y = v128.load32_splat(a, 12);
    c3l = madd(y, bl, c3l), c3r = madd(y, br, c3r);
    if (ROWS > 4) y = v128.load32_splat(a, 16), c4l = madd(y, bl, c4l), c4r = madd(y, br, c4r);
    a += aStep, b += bStep;
    if (a == end) break;
  }

  finish(c, c0l, c0r, columns);
  finish(c1, c1l, c1r, columns);
  finish(c2, c2l, c2r, columns);
  finish(c3, c3l, c3r, columns);
  if (ROWS > 4) finish(c4, c4l, c4r, columns);
}

// One number of four, in all lanes.

@inline
export function spread0(x: v128): v128 {
  return v128.shuffle<f32>(x, x, 0, 0, 0, 0);
}

@inline
export function spread1(x: v128): v128 {
  return v128.shuffle<f32>(x, x, 1, 1, 1, 1);
}

@inline
export function spread2(x: v128): v128 {
  return v128.shuffle<f32>(x, x, 2, 2, 2, 2);
}
