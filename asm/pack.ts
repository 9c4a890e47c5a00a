// pack: the sides of a product, in the order in which tiles read them.
//
// Of a, all tiles of up to PACKED_ROWS rows, f32 [k, rows of the tile] one after another; of b,
// panels of eight columns, f32 [k, 8]. Strides are in BYTES.

import { PACKED_ROWS } from "./packed_tile";
import { firstHalves, firstPairs, secondHalves, secondPairs, TILE_COLUMNS } from "./tile";

/** The columns of panels that are packed at once. */
export const PANELS_COLUMNS: u32 = 16;

/**
 * In how many tiles rows are packed. The first rows % tiles of them have a row more than the others:
 * of 12 or more rows each has 4 or 5.
 */
@inline
export function tilesOf(rows: u32): u32 {
  return (rows - 1) / PACKED_ROWS + 1;
}

/** `rows` of a, 12 or more, by k steps; one of the strides is 4. */
export function packRows(a: usize, aRow: u32, aStep: u32, rows: u32, k: u32, to: usize): void {
  if (aRow == 4) return packTurnedRows(a, aStep, rows, k, to);
  const tiles = tilesOf(rows), least = rows / tiles, longer = rows % tiles;
  for (let t: u32 = 0; t < tiles; t++) {
    const count = t < longer ? least + 1 : least;
    packTile(a, aRow, count, k, to);
    a += count * aRow;
    to += (count * k) << 2;
  }
}

/** Four or five rows as they lie to [k, count]. */
export function packTile(a: usize, aRow: usize, count: u32, k: u32, to: usize): void {
  const step: usize = count << 2, fifth = aRow << 2;
  for (; k >= 4; k -= 4) {
    turnFour(a, aRow, to, step);
    if (count > 4) {
      const x = v128.load(a + fifth);
      let at = to;
      v128.store_lane<f32>(at, x, 0, 16), at += step;
      v128.store_lane<f32>(at, x, 1, 16), at += step;
      v128.store_lane<f32>(at, x, 2, 16);
      v128.store_lane<f32>(at + step, x, 3, 16);
    }
    a += 16;
    to += step << 2;
  }
  for (; k > 0; k--) {
    let from = a;
    for (let i = count; i > 0; i--, from += aRow, to += 4) store<f32>(to, load<f32>(from));
    a += 4;
  }
}

/**
 * The same of rows that lie on their side, a step's numbers together. Steps may be a power of two
 * apart and push each other out of the caches: few at a time, and each read along all tiles.
 */
function packTurnedRows(a: usize, aStep: usize, rows: u32, k: u32, to: usize): void {
  const tiles = tilesOf(rows), least = rows / tiles, longer = rows % tiles;
  for (let p: u32 = 0; p < k; p += 4) {
    const steps = min(4, k - p);
    for (let t: u32 = 0, i: u32 = 0; t < tiles; t++) {
      const count = t < longer ? least + 1 : least;
      let from = a + (i << 2), at = to + ((i * k + p * count) << 2);
      for (let s = steps; s > 0; s--, from += aStep, at += count << 2) {
        v128.store(at, v128.load(from));
        if (count > 4) store<f32>(at, load<f32>(from, 16), 16);
      }
      i += count;
    }
    a += aStep << 2;
  }
}

/** Up to 16 columns of b to panels [2, k, 8]. */
export function packPanels(
  b: usize,
  bStep: u32,
  bColumn: u32,
  k: u32,
  columns: u32,
  panels: usize,
): void {
  const second = panels + k * (TILE_COLUMNS << 2);
  if (columns == PANELS_COLUMNS && bColumn == 4) return copyPanels(b, bStep, k, panels, second);
  packPanel(b, bStep, bColumn, k, min(TILE_COLUMNS, columns), panels);
  if (columns <= TILE_COLUMNS) return;
  packPanel(b + TILE_COLUMNS * bColumn, bStep, bColumn, k, columns - TILE_COLUMNS, second);
}

/** Up to eight columns of b to panel [k, 8]; the columns past the last one are zero. */
export function packPanel(
  b: usize,
  bStep: u32,
  bColumn: u32,
  k: u32,
  columns: u32,
  panel: usize,
): void {
  if (columns == TILE_COLUMNS && bColumn == 4) return copyPanel(b, bStep, k, panel);
  if (columns == TILE_COLUMNS) {
    for (; k >= 4; k -= 4) {
      turnFour(b, bColumn, panel, TILE_COLUMNS << 2);
      turnFour(b + (bColumn << 2), bColumn, panel + 16, TILE_COLUMNS << 2);
      b += 16;
      panel += TILE_COLUMNS << 4;
    }
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
function copyPanel(b: usize, bStep: usize, k: u32, panel: usize): void {
  for (; k > 0; k--) {
    v128.store(panel, v128.load(b));
    v128.store(panel, v128.load(b, 16), 16);
    b += bStep;
    panel += TILE_COLUMNS << 2;
  }
}

/** Sixteen columns that lie side by side, a line of the caches: none is fetched twice. */
function copyPanels(b: usize, bStep: usize, k: u32, first: usize, second: usize): void {
  for (; k > 0; k--) {
    v128.store(first, v128.load(b));
    v128.store(first, v128.load(b, 16), 16);
    v128.store(second, v128.load(b, 32));
    v128.store(second, v128.load(b, 48), 16);
    b += bStep;
    first += TILE_COLUMNS << 2;
    second += TILE_COLUMNS << 2;
  }
}

/** Four numbers of each of four rows to four rows of four, on their side. */
@inline
function turnFour(from: usize, fromRow: usize, to: usize, toRow: usize): void {
  const x0 = v128.load(from);
  from += fromRow;
  const x1 = v128.load(from);
  from += fromRow;
  const x2 = v128.load(from);
  const x3 = v128.load(from + fromRow);
  const y01 = firstHalves(x0, x1), y23 = firstHalves(x2, x3);
  const z01 = secondHalves(x0, x1), z23 = secondHalves(x2, x3);
  v128.store(to, firstPairs(y01, y23));
  to += toRow;
  v128.store(to, secondPairs(y01, y23));
  to += toRow;
  v128.store(to, firstPairs(z01, z23));
  v128.store(to + toRow, secondPairs(z01, z23));
}
