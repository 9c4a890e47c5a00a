// matmul: out [m, n] (+)= a [m, k] · b [k, n], after Goto & van de Geijn, Anatomy of
// High-Performance Matrix Multiplication (2008).
//
//   a        f32, a number at row·aRow + step·aStep          in
//   b        f32, a number at step·bStep + column·bColumn    in
//   out      f32 [m, n]                                      out
//   scratch  f32 [threads, BLOCK_K, TILE_COLUMNS + BLOCK_ROWS]   a panel of b, a block of a
//
// Strides are in BYTES. Of a's two one is 4 and of b's two one is 4; which one says what is
// transposed. From the outside in: blocks of rows, so that a block of a stays in the second cache;
// blocks of k; panels of eight columns, packed one after another into the first cache; tiles of
// up to six rows. Tiles read a where it lies, packing it gained nothing; but steps that are a page
// apart would push each other out of the caches, and are gathered.
//
// Parts share the rows and the columns of out. An element's bits depend on its row of a, its column
// of b and what it held, on nothing else (see tile.ts): not on parts, nor on m and n.

import { partStart } from "./simd";
import { shareOf } from "./thread";
import {
  dots,
  DOTS_COLUMNS,
  firstHalves,
  firstPairs,
  secondHalves,
  secondPairs,
  tile,
  TILE_COLUMNS,
  TILE_ROWS,
} from "./tile";

/** A panel then has 8 KB. */
const BLOCK_K: u32 = 256;
/** A block of a then has 192 KB. */
const BLOCK_ROWS: u32 = 192;
/** Rows are not cut into parts of fewer. */
const LEAST_ROWS: u32 = 128;
/** A page: steps of a that are so many bytes apart are gathered. */
const FAR: u32 = 4096;
/** For so few columns, that would not pay. */
const FEW_COLUMNS: u32 = 32;
/** For so few rows, dots() on b as it lies beats packing b. */
const FEW_ROWS: u32 = 3;

/** Bytes of scratch for each thread. */
export function matmulScratch(): u32 {
  return BLOCK_K * (TILE_COLUMNS + BLOCK_ROWS) * 4;
}

/** out (+)= a · b: the share of one part. */
export function matmul(
  part: u32,
  parts: u32,
  a: usize,
  aRow: u32,
  aStep: u32,
  b: usize,
  bStep: u32,
  bColumn: u32,
  out: usize,
  m: u32,
  n: u32,
  k: u32,
  accumulate: bool,
  scratch: usize,
): void {
  const outRow = n << 2, rowTiles = (m - 1) / TILE_ROWS + 1, panels = (n - 1) / TILE_COLUMNS + 1;
  const rowParts = rowCuts(m, parts), columnParts = parts / rowParts;
  const i = part / columnParts, j = part % columnParts;
  const top = partStart(rowTiles, i, rowParts) * TILE_ROWS;
  const first = partStart(panels, j, columnParts) * TILE_COLUMNS;
  m = min(m, partStart(rowTiles, i + 1, rowParts) * TILE_ROWS) - top;
  n = min(n, partStart(panels, j + 1, columnParts) * TILE_COLUMNS) - first;
  a += top * aRow;
  b += first * bColumn;
  out += top * outRow + (first << 2);
  if (m <= FEW_ROWS && aStep == 4 && bStep == 4) {
    const done = n & ~(DOTS_COLUMNS - 1);
    multiplyFew(a, aRow, b, bColumn, out, outRow, m, done, k, accumulate);
    b += done * bColumn;
    out += done << 2;
    n -= done;
  }
  const panel = shareOf(scratch, matmulScratch());
  multiply(a, aRow, aStep, b, bStep, bColumn, out, outRow, m, n, k, accumulate, panel);
}

/**
 * In how many the rows are cut, a divisor of the parts; columns are cut in the others. Each part packs
 * its share of b, which must be read often enough.
 */
function rowCuts(m: u32, parts: u32): u32 {
  let cuts = min(parts, max(1, m / LEAST_ROWS));
  while (parts % cuts != 0) cuts--;
  return cuts;
}

/** Few rows of a by rows of b as they lie: n, a multiple of 16, at a time. */
function multiplyFew(
  a: usize,
  aRow: u32,
  b: usize,
  bColumn: u32,
  out: usize,
  outRow: u32,
  m: u32,
  n: u32,
  k: u32,
  accumulate: bool,
): void {
  for (let j: u32 = 0; j < n; j += DOTS_COLUMNS) {
    let p: u32 = 0;
    do {
      const b_jp = b + j * bColumn + (p << 2), more = accumulate || p > 0;
      for (let i: u32 = 0; i < m; i++) {
        const a_ip = a + i * aRow + (p << 2), out_ij = out + i * outRow + (j << 2);
        dots(min(BLOCK_K, k - p), a_ip, b_jp, bColumn, out_ij, more);
      }
      p += BLOCK_K;
    } while (p < k);
  }
}

/** Any rows and columns: blocks of rows, blocks of k, panels of columns. */
function multiply(
  a: usize,
  aRow: u32,
  aStep: u32,
  b: usize,
  bStep: u32,
  bColumn: u32,
  out: usize,
  outRow: u32,
  m: u32,
  n: u32,
  k: u32,
  accumulate: bool,
  panel: usize,
): void {
  const block = panel + BLOCK_K * TILE_COLUMNS * 4;
  const gathered = aStep >= FAR && n > FEW_COLUMNS;
  for (let i: u32 = 0; i < m; i += BLOCK_ROWS) {
    const rows = min(BLOCK_ROWS, m - i);
    let p: u32 = 0;
    do {
      const steps = min(BLOCK_K, k - p), more = accumulate || p > 0;
      let a_ip = a + i * aRow + p * aStep, step = aStep;
      if (gathered) {
        step = rows << 2;
        gather(a_ip, aStep, steps, step, block);
        a_ip = block;
      }
      for (let j: u32 = 0; j < n; j += TILE_COLUMNS) {
        const columns = min(TILE_COLUMNS, n - j), out_ij = out + i * outRow + (j << 2);
        let from = b + p * bStep + j * bColumn, fromStep = bStep;
        // Packed only what would be read again, or is not eight numbers in a row.
        if (bColumn != 4 || columns < TILE_COLUMNS || rows > TILE_ROWS) {
          pack(from, bStep, bColumn, steps, columns, panel);
          from = panel;
          fromStep = TILE_COLUMNS << 2;
        }
        multiplyPanel(a_ip, aRow, step, from, fromStep, out_ij, outRow, rows, columns, steps, more);
      }
      p += BLOCK_K;
    } while (p < k);
  }
}

/** Copies `count` pieces of memory, a stride apart, one after another. */
function gather(from: usize, stride: u32, count: u32, bytes: u32, to: usize): void {
  for (; count > 0; count--) {
    memory.copy(to, from, bytes);
    from += stride;
    to += bytes;
  }
}

/** Rows of a by one panel, in tiles as even as can be: 8 rows are 4 + 4, not 6 + 2. */
export function multiplyPanel(
  a: usize,
  aRow: u32,
  aStep: u32,
  panel: usize,
  panelRow: u32,
  out: usize,
  outRow: u32,
  rows: u32,
  columns: u32,
  k: u32,
  accumulate: bool,
): void {
  const tiles = (rows - 1) / TILE_ROWS + 1;
  for (let t: u32 = 0, i: u32 = 0; t < tiles; t++) {
    const next = partStart(rows, t + 1, tiles), a_i = a + i * aRow, out_i = out + i * outRow;
    tile(next - i, columns, k, a_i, aRow, aStep, panel, panelRow, out_i, outRow, accumulate);
    i = next;
  }
}

/** Up to eight columns of b to panel [k, 8]; the columns past the last one are zero. */
export function pack(
  b: usize,
  bStep: u32,
  bColumn: u32,
  k: u32,
  columns: u32,
  panel: usize,
): void {
  if (columns == TILE_COLUMNS && bColumn == 4) return packRows(b, bStep, k, panel);
  if (columns == TILE_COLUMNS && k >= 4) {
    const whole = k & ~3;
    packFour(b, bColumn, whole, panel);
    packFour(b + (bColumn << 2), bColumn, whole, panel + 16);
    b += whole << 2;
    panel += whole * (TILE_COLUMNS << 2);
    k -= whole;
  }
  for (; k > 0; k--) {
    for (let j: u32 = 0; j < TILE_COLUMNS; j++) {
      store<f32>(panel + (j << 2), j < columns ? load<f32>(b + j * bColumn) : 0);
    }
    b += bStep;
    panel += TILE_COLUMNS << 2;
  }
}

/** Eight columns that lie side by side. */
function packRows(b: usize, bStep: usize, k: u32, panel: usize): void {
  for (; k > 0; k--) {
    v128.store(panel, v128.load(b));
    v128.store(panel, v128.load(b, 16), 16);
    b += bStep;
    panel += TILE_COLUMNS << 2;
  }
}

/** Four columns, each of which lies in a row: k, a multiple of 4, turned on their side. */
function packFour(b: usize, bColumn: usize, k: u32, panel: usize): void {
  for (; k > 0; k -= 4) {
    let at = b;
    const x0 = v128.load(at);
    at += bColumn;
    const x1 = v128.load(at);
    at += bColumn;
    const x2 = v128.load(at);
    const x3 = v128.load(at + bColumn);
    const y01 = firstHalves(x0, x1), y23 = firstHalves(x2, x3);
    const z01 = secondHalves(x0, x1), z23 = secondHalves(x2, x3);
    v128.store(panel, firstPairs(y01, y23));
    v128.store(panel, secondPairs(y01, y23), 32);
    v128.store(panel, firstPairs(z01, z23), 64);
    v128.store(panel, secondPairs(z01, z23), 96);
    b += 16;
    panel += TILE_COLUMNS << 4;
  }
}
