// group_products: what GROUP queries make of keys and values, and what those make of them.
//
// The micro-kernels read one side turned, a step's numbers of all queries together: of a group of
// queries f32 [D, GROUP], which takes the room of its rows, and of its weights f32 [count, GROUP].

import { GROUP } from "./landmark_job";
import { packTile } from "./pack";
import { packedTile, packedTiles } from "./packed_tile";
import { clear } from "./row_softmax";
import { scoreTile } from "./score_tile";
import { tile } from "./tile";

/** rows [count, D], in room for whole groups, to groups [⌈count / GROUP⌉, D, GROUP] padded by zeros. */
export function turnGroups(rows: usize, count: u32, dim: u32, groups: usize): void {
  const row = dim << 2, end = rows + count * row;
  clear(end, end + (GROUP - 1 - (count - 1) % GROUP) * row);
  for (; rows < end; rows += GROUP * row, groups += GROUP * row) {
    packTile(rows, row, GROUP, dim, groups);
  }
}

/** scores [GROUP, 8 · count] = q, turned, · panels. */
export function scorePanels(
  dim: u32,
  q: usize,
  panels: usize,
  count: u32,
  scores: usize,
  scoresRow: u32,
): void {
  for (; count > 0; count--, panels += dim << 5, scores += 32) {
    scoreTile(dim, q, panels, 32, scores, scoresRow);
  }
}

/** out [GROUP, D] += weights [GROUP, count] · values [count, D]; `turned` is room for the weights. */
export function addValues(
  count: u32,
  weights: usize,
  weightsRow: u32,
  turned: usize,
  values: usize,
  dim: u32,
  out: usize,
): void {
  // In whole fours, which is quicker: what is too much is not read.
  packTile(weights, weightsRow, GROUP, (count + 3) & ~3, turned);
  addGroup(count, turned, values, dim, out);
}

/** out [GROUP, D] += weights, turned, [count, GROUP] · values [count, D]. */
export function addGroup(count: u32, turned: usize, values: usize, dim: u32, out: usize): void {
  if (count == 0) return;
  const row = dim << 2, step = GROUP << 2, panels = dim >> 3, last = dim & 7, done = panels << 5;
  packedTiles(panels, GROUP, 8, count, turned, step, 0, values, row, 32, out, row, 32, true);
  if (last == 0) return;
  packedTile(GROUP, last, count, turned, step, values + done, row, out + done, row, true);
}

/** out [count, D] (+)= weights [rows, count], turned, · values [rows, D]; rows > 0. */
export function timesTurned(
  count: u32,
  rows: u32,
  weights: usize,
  weightsRow: u32,
  values: usize,
  dim: u32,
  out: usize,
  accumulate: bool,
): void {
  const row = dim << 2;
  for (let d: u32 = 0; d < dim; d += 8, values += 32, out += 32) {
    const columns = min(8, dim - d);
    let w = weights, o = out;
    for (let left = count; left > 0; left -= min(left, GROUP), w += GROUP << 2, o += GROUP * row) {
      if (left > 3) {
        packedTile(min(left, GROUP), columns, rows, w, weightsRow, values, row, o, row, accumulate);
      } else {
        tile(left, columns, rows, w, 4, weightsRow, values, row, o, row, accumulate);
      }
    }
  }
}
