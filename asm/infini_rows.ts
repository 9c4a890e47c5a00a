// infini_rows: passes over the `count` rows of a chunk, of `columns` numbers each. Strides in BYTES.
// Rows of a work area have room for whole vectors: numbers behind the last one may be written there,
// and mean nothing. Behind those of other rows numbers may be read.
//
// One head's rows lie apart, and no cache has them. A core waits for several lines at once only while
// all that is to be done with them fits its window: a loop that does much with each number waits for
// one after another. So what tensors hold, and also what is about to be stored to, is brought in before.

import { madd, storeTail } from "./simd";

/**
 * Reads a number of each line, so that it is at hand. Their sum is left in `spare`, which the rows do
 * not include: without, compilers would leave out the reading.
 */
export function bringRows(x: usize, xRow: u32, count: u32, columns: u32, spare: usize): void {
  const row = columns << 2;
  let sum: u32 = 0;
  for (; count > 0; count--, x += xRow) {
    for (let at: usize = 0; at < row; at += 64) sum += load<u32>(x + at);
  }
  store<u32>(spare, sum);
}

/** out = x, other rows, and not a number more. */
export function copyRows(
  x: usize,
  xRow: u32,
  count: u32,
  columns: u32,
  out: usize,
  outRow: u32,
): void {
  const whole = (columns & ~3) << 2, left = columns & 3;
  bringRows(x, xRow, count, columns, out);
  for (; count > 0; count--, x += xRow, out += outRow) {
    for (let at: usize = 0; at < whole; at += 16) v128.store(out + at, v128.load(x + at));
    if (left > 0) storeTail(out + whole, v128.load(x + whole), left);
  }
}

/** out = factors [count] · x, which may be the same rows. */
export function scaleRows(
  x: usize,
  xRow: u32,
  factors: usize,
  count: u32,
  columns: u32,
  out: usize,
  outRow: u32,
): void {
  const row = columns << 2;
  for (; count > 0; count--, x += xRow, out += outRow, factors += 4) {
    const factor = v128.load32_splat(factors);
    for (let at: usize = 0; at < row; at += 16) {
      v128.store(out + at, f32x4.mul(factor, v128.load(x + at)));
    }
  }
}

/** out += factors [count] · x, both rows of a work area. */
export function addScaledRows(
  x: usize,
  row: u32,
  factors: usize,
  count: u32,
  columns: u32,
  out: usize,
): void {
  const used = columns << 2;
  for (; count > 0; count--, x += row, out += row, factors += 4) {
    const factor = v128.load32_splat(factors);
    for (let at: usize = 0; at < used; at += 16) {
      v128.store(out + at, madd(factor, v128.load(x + at), v128.load(out + at)));
    }
  }
}

/** sum [columns] += each row, in order. */
export function sumRows(x: usize, xRow: u32, count: u32, columns: u32, sum: usize): void {
  sumRowsOf(false, x, xRow, 0, count, columns, sum);
}

/** sum [columns] += factors [count] · rows, in order. */
export function sumScaledRows(
  x: usize,
  xRow: u32,
  factors: usize,
  count: u32,
  columns: u32,
  sum: usize,
): void {
  sumRowsOf(true, x, xRow, factors, count, columns, sum);
}

/** Sixteen columns at a time, so that no sum waits for itself; then what is left. */
@inline
function sumRowsOf(
  SCALED: bool,
  x: usize,
  xRow: u32,
  factors: usize,
  count: u32,
  columns: u32,
  sum: usize,
): void {
  for (; columns >= 16; columns -= 16, x += 64, sum += 64) {
    let a = v128.load(sum), b = v128.load(sum, 16), c = v128.load(sum, 32), d = v128.load(sum, 48);
    for (let i = count, from = x, factor = factors; i > 0; i--, from += xRow, factor += 4) {
      a = plusRow(SCALED, a, factor, from), b = plusRow(SCALED, b, factor, from + 16);
      c = plusRow(SCALED, c, factor, from + 32), d = plusRow(SCALED, d, factor, from + 48);
    }
    v128.store(sum, a), v128.store(sum, b, 16), v128.store(sum, c, 32), v128.store(sum, d, 48);
  }
  for (let end = sum + (columns << 2); sum < end; x += 16, sum += 16) {
    let a = v128.load(sum);
    for (let i = count, from = x, factor = factors; i > 0; i--, from += xRow, factor += 4) {
      a = plusRow(SCALED, a, factor, from);
    }
    v128.store(sum, a);
  }
}

@inline
function plusRow(SCALED: bool, sum: v128, factor: usize, x: usize): v128 {
  if (!SCALED) return f32x4.add(sum, v128.load(x));
  return madd(v128.load32_splat(factor), v128.load(x), sum);
}
