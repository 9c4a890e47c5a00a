// tile: the register micro-kernels that products are made of.
//
// Every element of C is one chain of madd over k, in order, begun at 0 or at what C held: its bits
// depend neither on the kernel and the tile it falls to, nor on how k is cut into calls, nor on the
// rows and columns beside it. A row alone gives the bits it gives among many.
//
// Strides are in BYTES, any alignment.
//
// Two facts of the engines decide how the loops are written. Of the 16 vector registers of x64 they
// leave 15: twelve sums, two vectors of B, one of A. And some (V8 in Deno) check every address
// against the memory's size, which takes a register for each constant offset: so addresses run along
// by strides held in registers. Large products have a tile of their own, packed_tile.ts.

import { madd } from "./simd";

/** The most rows a tile has. */
export const TILE_ROWS: u32 = 6;
/** The columns of a tile: two vectors. */
export const TILE_COLUMNS: u32 = 8;

/**
 * C [rows, columns] (+)= A [rows, k] · B [k, columns]; rows 1 … 6, columns 1 … 8, k ≥ 0.
 *
 * a: a number at a + row·aRow + step·aStep. aStep = 4 reads A as it lies; aRow = 4 reads the
 *    transpose of what lies there.
 * b: a row at b + step·bStep, of which all 8 numbers must be readable.
 * c: a row at c + row·cRow, of which only `columns` numbers are written.
 *
 * A row of C that is added to may be read up to 12 bytes past its end.
 */
export function tile(
  rows: u32,
  columns: u32,
  k: u32,
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
  accumulate: bool,
): void {
  if (rows == 6) tileOf(6, columns, k, a, aRow, aStep, b, bStep, c, cRow, accumulate);
  else if (rows == 5) tileOf(5, columns, k, a, aRow, aStep, b, bStep, c, cRow, accumulate);
  else if (rows == 4) tileOf(4, columns, k, a, aRow, aStep, b, bStep, c, cRow, accumulate);
  else if (rows == 3) tileOf(3, columns, k, a, aRow, aStep, b, bStep, c, cRow, accumulate);
  else if (rows == 2) tileOf(2, columns, k, a, aRow, aStep, b, bStep, c, cRow, accumulate);
  else tileOf(1, columns, k, a, aRow, aStep, b, bStep, c, cRow, accumulate);
}

/** tile() for a constant number of rows: tests of ROWS are gone once this is inlined. */
@inline
function tileOf(
  ROWS: u32,
  columns: u32,
  k: u32,
  a: usize,
  aRow: usize,
  aStep: usize,
  b: usize,
  bStep: usize,
  c: usize,
  cRow: usize,
  accumulate: bool,
): void {
  const c1 = c + cRow, c2 = c1 + cRow, c3 = c2 + cRow, c4 = c3 + cRow, c5 = c4 + cRow;
  const zero = f32x4.splat(0);
  let c0l = zero, c0r = zero, c1l = zero, c1r = zero, c2l = zero, c2r = zero;
  let c3l = zero, c3r = zero, c4l = zero, c4r = zero, c5l = zero, c5r = zero;
  if (accumulate) {
    // Columns past the last one sum up whatever stands there, and are not stored.
    const right: usize = columns > 4 ? 16 : 0;
    c0l = v128.load(c), c0r = v128.load(c + right);
    if (ROWS > 1) c1l = v128.load(c1), c1r = v128.load(c1 + right);
    if (ROWS > 2) c2l = v128.load(c2), c2r = v128.load(c2 + right);
    if (ROWS > 3) c3l = v128.load(c3), c3r = v128.load(c3 + right);
    if (ROWS > 4) c4l = v128.load(c4), c4r = v128.load(c4 + right);
    if (ROWS > 5) c5l = v128.load(c5), c5r = v128.load(c5 + right);
  }

  if (k > 0) {
    // What addresses are compared with, into registers: see packed_tile.ts.
    load<u8>(a, 3), load<u8>(b, 15), load<u8>(b, 31);
    for (; k > 0; k--) {
      const bl = v128.load(b), br = v128.load(b, 16);
      let at = a, x = v128.load32_splat(at);
      c0l = madd(x, bl, c0l), c0r = madd(x, br, c0r);
      if (ROWS > 1) {
        at += aRow, x = v128.load32_splat(at);
        c1l = madd(x, bl, c1l), c1r = madd(x, br, c1r);
      }
      if (ROWS > 2) {
        at += aRow, x = v128.load32_splat(at);
        c2l = madd(x, bl, c2l), c2r = madd(x, br, c2r);
      }
      if (ROWS > 3) {
        at += aRow, x = v128.load32_splat(at);
        c3l = madd(x, bl, c3l), c3r = madd(x, br, c3r);
      }
      if (ROWS > 4) {
        at += aRow, x = v128.load32_splat(at);
        c4l = madd(x, bl, c4l), c4r = madd(x, br, c4r);
      }
      if (ROWS > 5) {
        at += aRow, x = v128.load32_splat(at);
        c5l = madd(x, bl, c5l), c5r = madd(x, br, c5r);
      }
      a += aStep;
      b += bStep;
    }
  }

  finish(c, c0l, c0r, columns);
  if (ROWS > 1) finish(c1, c1l, c1r, columns);
  if (ROWS > 2) finish(c2, c2l, c2r, columns);
  if (ROWS > 3) finish(c3, c3l, c3r, columns);
  if (ROWS > 4) finish(c4, c4l, c4r, columns);
  if (ROWS > 5) finish(c5, c5l, c5r, columns);
}

/** Stores the first `columns` of eight sums. */
@inline
export function finish(at: usize, left: v128, right: v128, columns: u32): void {
  if (columns == TILE_COLUMNS) {
    v128.store(at, left);
    v128.store(at, right, 16);
  } else {
    finishFew(at, left, right, columns);
  }
}

function finishFew(at: usize, left: v128, right: v128, columns: u32): void {
  if (columns >= 4) {
    v128.store(at, left);
    left = right;
    at += 16;
    columns -= 4;
  }
  for (; columns > 0; columns--) {
    v128.store_lane<f32>(at, left, 0);
    left = v128.shuffle<f32>(left, left, 1, 2, 3, 0);
    at += 4;
  }
}

/** The columns of one call of {@link dots}: four vectors, so that madd's latency is hidden. */
export const DOTS_COLUMNS: u32 = 16;

/**
 * C [1, 16] (+)= A [1, k] · Bᵀ, B [16, k]: one row times rows as they lie, without packing.
 *
 * a: k numbers in a row; b: 16 rows of k numbers at b + column·bColumn; c: 16 numbers.
 */
export function dots(
  k: u32,
  a: usize,
  b: usize,
  bColumn: usize,
  c: usize,
  accumulate: bool,
): void {
  const four = bColumn << 2;
  const zero = f32x4.splat(0);
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero;
  if (accumulate) {
    c0 = v128.load(c), c1 = v128.load(c, 16), c2 = v128.load(c, 32), c3 = v128.load(c, 48);
  }
  for (; k >= 4; k -= 4) {
    let at = b;
    c0 = dotFour(a, at, bColumn, c0), at += four;
    c1 = dotFour(a, at, bColumn, c1), at += four;
    c2 = dotFour(a, at, bColumn, c2), at += four;
    c3 = dotFour(a, at, bColumn, c3);
    a += 16;
    b += 16;
  }
  for (; k > 0; k--) {
    const x = v128.load32_splat(a);
    let at = b;
    c0 = madd(x, loadColumn(at, bColumn), c0), at += four;
    c1 = madd(x, loadColumn(at, bColumn), c1), at += four;
    c2 = madd(x, loadColumn(at, bColumn), c2), at += four;
    c3 = madd(x, loadColumn(at, bColumn), c3);
    a += 4;
    b += 4;
  }
  v128.store(c, c0), v128.store(c, c1, 16), v128.store(c, c2, 32), v128.store(c, c3, 48);
}

/** Four steps of four dot products: four numbers at a, by four rows of B turned on their side. */
@inline
function dotFour(a: usize, b: usize, bColumn: usize, sum: v128): v128 {
  const y0 = v128.load(b);
  b += bColumn;
  const y1 = v128.load(b);
  b += bColumn;
  const y2 = v128.load(b);
  const y3 = v128.load(b + bColumn);
  const y01 = firstHalves(y0, y1), y23 = firstHalves(y2, y3);
  sum = madd(v128.load32_splat(a), firstPairs(y01, y23), sum);
  sum = madd(v128.load32_splat(a, 4), secondPairs(y01, y23), sum);
  const z01 = secondHalves(y0, y1), z23 = secondHalves(y2, y3);
  sum = madd(v128.load32_splat(a, 8), firstPairs(z01, z23), sum);
  return madd(v128.load32_splat(a, 12), secondPairs(z01, z23), sum);
}

/** One number of each of four rows. */
@inline
function loadColumn(at: usize, row: usize): v128 {
  let x = v128.load32_zero(at);
  at += row;
  x = v128.load_lane<f32>(at, x, 1);
  at += row;
  x = v128.load_lane<f32>(at, x, 2);
  return v128.load_lane<f32>(at + row, x, 3);
}

// Interleaving the halves of two rows, then the pairs of the results, transposes 4 × 4.

/** x0 y0 x1 y1 */
@inline
export function firstHalves(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 0, 4, 1, 5);
}

/** x2 y2 x3 y3 */
@inline
export function secondHalves(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 2, 6, 3, 7);
}

/** x0 x1 y0 y1 */
@inline
export function firstPairs(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 0, 1, 4, 5);
}

/** x2 x3 y2 y3 */
@inline
export function secondPairs(x: v128, y: v128): v128 {
  return v128.shuffle<f32>(x, y, 2, 3, 6, 7);
}
