// matmul: out [m, n] (+)= a [m, k] · b [k, n], after Goto & van de Geijn, Anatomy of
// High-Performance Matrix Multiplication (2008).
//
//   a        f32, a number at row·aRow + step·aStep          in
//   b        f32, a number at step·bStep + column·bColumn    in
//   out      f32 [m, n]                                      out
//   scratch  f32 [threads, BLOCK_K, PANELS_COLUMNS + BLOCK_ROWS]   panels of b, a block of a
//
// Strides are in BYTES. Of a's two one is 4 and of b's two one is 4; which one says what is
// transposed. From the outside in: blocks of rows, so that a block of a stays in the second cache;
// blocks of k; panels of eight columns, packed two at a time into the first cache; tiles of a few
// rows. A block of a is packed as well, unless it is of few rows, or read for few columns: tiles then
// read it where it lies.
//
// Parts share the rows and the columns of out. An element's bits depend on its row of a, its column
// of b and what it held, on nothing else (see tile.ts): not on parts, nor on m and n.

import { packPanel, packPanels, packRows, PANELS_COLUMNS, tilesOf } from "./pack";
import { PACKED_ROWS, packedTiles } from "./packed_tile";
import { partStart } from "./simd";
import { shareOf } from "./thread";
import { dots, DOTS_COLUMNS, tile, TILE_COLUMNS, TILE_ROWS } from "./tile";

/** A panel then has 8 KB. */
const BLOCK_K: u32 = 256;
/** A block of a then has 256 KB. */
const BLOCK_ROWS: u32 = 256;
/** Rows are not cut into parts of fewer. */
const LEAST_ROWS: u32 = 128;
/** For so few columns, packing a would not pay. */
const FEW_COLUMNS: u32 = 32;
/** Of so many rows all packed tiles have 4 or 5. */
const LEAST_PACKED: u32 = 12;
/** For so few rows, dots() on b as it lies beats packing b. */
const FEW_ROWS: u32 = 3;

/** Bytes of scratch for each thread. */
export function matmulScratch(): u32 {
  return BLOCK_K * (PANELS_COLUMNS + BLOCK_ROWS) * 4;
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
  const outRow = n << 2, rowTiles = (m - 1) / PACKED_ROWS + 1, panels = (n - 1) / TILE_COLUMNS + 1;
  const rowParts = rowCuts(m, parts), columnParts = parts / rowParts;
  const i = part / columnParts, j = part % columnParts;
  const top = partStart(rowTiles, i, rowParts) * PACKED_ROWS;
  const first = partStart(panels, j, columnParts) * TILE_COLUMNS;
  m = min(m, partStart(rowTiles, i + 1, rowParts) * PACKED_ROWS) - top;
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

/** Any rows and columns: blocks of rows, as even as can be, and of k. */
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
  panels: usize,
): void {
  const block = panels + BLOCK_K * PANELS_COLUMNS * 4;
  const isPacked = m >= LEAST_PACKED && n > FEW_COLUMNS && k > 0;
  const blocks = (m + BLOCK_ROWS - 1) / BLOCK_ROWS;
  for (let t: u32 = 0, i: u32 = 0; i < m; t++) {
    const next = partStart(m, t + 1, blocks), rows = next - i, out_i = out + i * outRow;
    let p: u32 = 0;
    do {
      const steps = min(BLOCK_K, k - p), more = accumulate || p > 0;
      const a_ip = a + i * aRow + p * aStep, b_p = b + p * bStep;
      if (isPacked) {
        packRows(a_ip, aRow, aStep, rows, steps, block);
        multiplyPacked(block, b_p, bStep, bColumn, out_i, outRow, rows, n, steps, more, panels);
      } else {
        multiplyRows(
          a_ip, aRow, aStep, b_p, bStep, bColumn, out_i, outRow, rows, n, steps, more, panels,
        );
      }
      p += BLOCK_K;
    } while (p < k);
    i = next;
  }
}

/** A packed block of a by panels of columns. */
function multiplyPacked(
  block: usize,
  b: usize,
  bStep: u32,
  bColumn: u32,
  out: usize,
  outRow: u32,
  rows: u32,
  n: u32,
  k: u32,
  accumulate: bool,
  panels: usize,
): void {
  const tiles = tilesOf(rows), least = rows / tiles, longer = rows % tiles;
  for (let j: u32 = 0, panel = panels; j < n; j += TILE_COLUMNS, panel += k * (TILE_COLUMNS << 2)) {
    if (j % PANELS_COLUMNS == 0) {
      panel = panels;
      packPanels(b + j * bColumn, bStep, bColumn, k, min(PANELS_COLUMNS, n - j), panels);
    }
    const columns = min(TILE_COLUMNS, n - j), first = out + (j << 2), size = least + 1;
    const a = block + ((longer * size * k) << 2), second = first + longer * size * outRow;
    multiplyTiles(longer, size, columns, k, block, panel, first, outRow, accumulate);
    multiplyTiles(tiles - longer, least, columns, k, a, panel, second, outRow, accumulate);
  }
}

/** Packed tiles of so many rows by one panel. */
function multiplyTiles(
  tiles: u32,
  rows: u32,
  columns: u32,
  k: u32,
  a: usize,
  panel: usize,
  out: usize,
  outRow: u32,
  accumulate: bool,
): void {
  const step = rows << 2, aNext = k * step, panelRow = TILE_COLUMNS << 2, outNext = rows * outRow;
  packedTiles(
    tiles, rows, columns, k, a, step, aNext, panel, panelRow, 0, out, outRow, outNext, accumulate,
  );
}

/** Rows of a as they lie by panels of columns. */
function multiplyRows(
  a: usize,
  aRow: u32,
  aStep: u32,
  b: usize,
  bStep: u32,
  bColumn: u32,
  out: usize,
  outRow: u32,
  rows: u32,
  n: u32,
  k: u32,
  accumulate: bool,
  panel: usize,
): void {
  for (let j: u32 = 0; j < n; j += TILE_COLUMNS) {
    const columns = min(TILE_COLUMNS, n - j), out_j = out + (j << 2);
    let from = b + j * bColumn, fromStep = bStep;
    // Packed only what would be read again, or is not eight numbers in a row.
    if (bColumn != 4 || columns < TILE_COLUMNS || rows > TILE_ROWS) {
      packPanel(from, bStep, bColumn, k, columns, panel);
      from = panel;
      fromStep = TILE_COLUMNS << 2;
    }
    multiplyPanel(a, aRow, aStep, from, fromStep, out_j, outRow, rows, columns, k, accumulate);
  }
}

/** Rows of a by one panel, in tiles as even as can be: 8 rows are 4 + 4, not 6 + 2. */
function multiplyPanel(
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
