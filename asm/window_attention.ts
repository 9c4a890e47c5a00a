// window_attention: causal attention over the last keys, with positions or without (Dai et al.,
// arXiv 1901.02860), fused: no matrix of T × S exists at any time.
//
//   q, out      f32 [B, T, H, D]   in, out
//   k, v        f32 [B, S, G, D]   in    packed by packWindow before
//   sums        f32 [B, T, H]      out   log-sum-exp of every query's scores
//   distances   f32 [P, H, D]      in
//
// A tile of queries of one batch row and head:
//
//   content, position   f32 [groups, D, GROUP]   scale · (q + u), scale · (q + w)
//   out                 f32 [TILE, D]            before that, rows that are to be turned
//   scores              f32 [GROUP, columns]     logits, then weights
//   turned              f32 [columns, GROUP]     those weights
//   distances           f32 [GROUP, columns]     logits of positions, by distance
//
// Whichever thread takes a tile computes the same bits.

import { addValues, scorePanels, turnGroups } from "./group_products";
import { eights, GROUP } from "./landmark_job";
import { takes } from "./landmark_tile";
import { clear, rowScale } from "./row_softmax";
import {
  beginOf,
  distancePlace,
  distanceRoom,
  endOf,
  firstKey,
  scoreRoom,
  WINDOW_TILE,
  WindowJob,
  windowQuery,
  windowSum,
} from "./window_job";
import { findPackedWindow, PackedWindow } from "./window_pack";
import { addPositions, biasedRow, windowSoftmax } from "./window_softmax";
import { shareOf } from "./thread";

@unmanaged
class WindowTile {
  b: u32;
  h: u32;
  t: u32;
  count: u32;
  /** Bytes from row to row. */
  row: u32;
  scoresRow: u32;
  distancesRow: u32;
  content: usize;
  position: usize;
  out: usize;
  scores: usize;
  turned: usize;
  distances: usize;
  /** f32 [GROUP]: what the weights of each query add up to. */
  totals: usize;
  packed: PackedWindow;
}

/** Bytes of a tile and all that belongs to it. */
export function windowTileBytes(job: WindowJob): u32 {
  const numbers = 3 * WINDOW_TILE * job.dim + GROUP * (2 * scoreRoom(job) + distanceRoom(job));
  return 128 + (numbers << 2);
}

function layTile(job: WindowJob, work: usize): WindowTile {
  const tile = changetype<WindowTile>(work);
  tile.packed = changetype<PackedWindow>(work + 64);
  tile.totals = work + 96;
  tile.row = job.dim << 2;
  tile.scoresRow = scoreRoom(job) << 2;
  tile.distancesRow = distanceRoom(job) << 2;
  tile.content = work + 128;
  tile.position = tile.content + WINDOW_TILE * tile.row;
  tile.out = tile.position + WINDOW_TILE * tile.row;
  tile.scores = tile.out + WINDOW_TILE * tile.row;
  tile.turned = tile.scores + GROUP * tile.scoresRow;
  tile.distances = tile.turned + GROUP * tile.scoresRow;
  return tile;
}

export function windowAttention(part: u32, parts: u32, job: WindowJob): void {
  const tile = layTile(job, shareOf(job.work, job.workBytes));
  const tiles = (job.queries + WINDOW_TILE - 1) / WINDOW_TILE;
  for (let b: u32 = 0; b < job.batch; b++) {
    for (let h: u32 = 0; h < job.heads; h++) {
      for (let i: u32 = 0; i < tiles; i++) {
        if (!takes(part, parts, b * job.heads + h, i, tiles)) continue;
        beginTile(job, tile, b, h, i * WINDOW_TILE);
        for (let r: u32 = 0; r < tile.count; r += GROUP) attendGroup(job, tile, r);
        endTile(job, tile);
      }
    }
  }
}

/** Takes up queries t … of one batch row and head. */
function beginTile(job: WindowJob, tile: WindowTile, b: u32, h: u32, t: u32): void {
  tile.b = b;
  tile.h = h;
  tile.t = t;
  tile.count = min(WINDOW_TILE, job.queries - t);
  findPackedWindow(job, b, h, tile.packed);
  loadQueries(job, tile, job.contentBias, tile.content);
  if (job.reach) loadQueries(job, tile, job.positionBias, tile.position);
  clear(tile.out, tile.out + tile.count * tile.row);
}

/** groups = scale · (q + bias), turned; bias f32 [H, D] or 0. */
function loadQueries(job: WindowJob, tile: WindowTile, bias: usize, groups: usize): void {
  const own = bias ? bias + ((tile.h * job.dim) << 2) : 0;
  for (let r: u32 = 0; r < tile.count; r++) {
    const q = windowQuery(job, job.q, tile.b, tile.t + r, tile.h);
    biasedRow(q, own, job.dim, job.scale, tile.out + r * tile.row);
  }
  turnGroups(tile.out, tile.count, job.dim, groups);
}

/** Queries r … of the tile: what they see, by the weights of its scores. */
function attendGroup(job: WindowJob, tile: WindowTile, r: u32): void {
  const rows = min(GROUP, tile.count - r), dim = job.dim, last = tile.t + r + rows - 1;
  const begin = beginOf(job, tile.t + r), end = endOf(job, last), base = begin & ~7;
  if (begin >= end) {
    for (let i: u32 = 0; i < rows; i++) seeNothing(job, tile, r + i);
    return;
  }
  const keys = (base - firstKey(job)) * tile.row, panels = (eights(end) - base) >> 3;
  const q = tile.content + r * tile.row, out = tile.out + r * tile.row;
  scorePanels(dim, q, tile.packed.keys + keys, panels, tile.scores, tile.scoresRow);
  const nearest = job.reach ? positionScores(job, tile, r, distancePlace(job, last, begin)) : 0;
  for (let i: u32 = 0; i < rows; i++) weighRow(job, tile, r, i, base, end, nearest);
  const values = tile.packed.values + keys;
  addValues(end - base, tile.scores, tile.scoresRow, tile.turned, values, dim, out);
  for (let i: u32 = 0; i < rows; i++) {
    const total = load<f32>(tile.totals + (i << 2));
    if (total > 0) rowScale(out + i * tile.row, dim, 1 / total);
  }
}

/** distances [GROUP, …] = position · those from `place` on, in whole panels; where they begin. */
function positionScores(job: WindowJob, tile: WindowTile, r: u32, place: i32): u32 {
  const from: u32 = max(place, 0) & ~7, panels = (distanceRoom(job) - from) >> 3;
  const q = tile.position + r * tile.row, rows = tile.packed.distances + from * tile.row;
  scorePanels(job.dim, q, rows, panels, tile.distances, tile.distancesRow);
  return from;
}

/** Scores of query r + i, those of keys [base, end), to weights. */
function weighRow(
  job: WindowJob,
  tile: WindowTile,
  r: u32,
  i: u32,
  base: u32,
  end: u32,
  nearest: u32,
): void {
  const t = tile.t + r + i, from = beginOf(job, t), to = endOf(job, t);
  const scores = tile.scores + i * tile.scoresRow, all = scores + ((end - base) << 2);
  if (from >= to) {
    clear(scores, all);
    store<f32>(tile.totals + (i << 2), 0);
    return seeNothing(job, tile, r + i);
  }
  const seen = scores + ((from - base) << 2), count = to - from;
  if (job.reach) {
    const place = distancePlace(job, t, from) - nearest;
    addPositions(seen, count, tile.distances + i * tile.distancesRow, place);
  }
  const total = windowSoftmax(seen, count, windowSum(job, tile.b, t, tile.h));
  store<f32>(tile.totals + (i << 2), total);
  clear(scores, seen);
  clear(seen + (count << 2), all);
}

function seeNothing(job: WindowJob, tile: WindowTile, r: u32): void {
  store<f32>(windowSum(job, tile.b, tile.t + r, tile.h), -Infinity);
}

/** Gives the tile's results away. */
function endTile(job: WindowJob, tile: WindowTile): void {
  for (let r: u32 = 0; r < tile.count; r++) {
    const out = windowQuery(job, job.out, tile.b, tile.t + r, tile.h);
    memory.copy(out, tile.out + r * tile.row, tile.row);
  }
}
