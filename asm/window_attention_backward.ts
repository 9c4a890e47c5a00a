// window_attention_backward: gradients of window_attention, in closed form, fused.
//
//   q, out, dOut, dQ   f32 [B, T, H, D]   in, in, in, added to
//   k, v, dK, dV       f32 [B, S, G, D]   in, added to (by addWindowGradients, afterwards, as are
//   dDistances         f32 [P, H, D]       dDistances and the biases' gradients)
//   sums               f32 [B, T, H]      in
//
// A tile of queries walks over chunks of keys once; weights A are computed anew from `sums`. With
// Δ = dO·O, ds = A (dO·v − Δ), and s = (q + u)·k + (q + w)·r:
//
//   dV = Aᵀ·dO    dK = dsᵀ·(q + u)    dR = Σ ds (q + w)    dU = Σ ds k    dW = Σ ds r    dQ = both
//
// where ds of a query and a distance is that of the one key which is so far away, or, of the last
// distance, the sum over all further keys.

import { CHUNK } from "./block_plan";
import { addValues, scorePanels, timesTurned } from "./group_products";
import { eights, GROUP } from "./landmark_job";
import { addScaled, topGradients } from "./row_gradients";
import { clear } from "./row_softmax";
import { beginWindowTile, layWindowTile, WindowBackTile } from "./window_back_tile";
import {
  beginOf,
  distancePlace,
  distanceRoom,
  endOf,
  firstKey,
  WINDOW_TILE,
  WindowJob,
  windowQuery,
} from "./window_job";
import { findPackedWindow } from "./window_pack";
import { addPositions, takePositions } from "./window_softmax";
import { findWindowSums } from "./window_sums";
import { shareOf } from "./thread";

/** Adds to dQ, and fills the sums of every share. */
export function windowAttentionBackward(part: u32, parts: u32, job: WindowJob): void {
  const tile = layWindowTile(job, shareOf(job.work, job.workBytes));
  const tasks = job.batch * job.heads * job.shares;
  for (let task = part; task < tasks; task += parts) {
    const share = task % job.shares;
    tile.b = task / job.shares / job.heads;
    tile.h = task / job.shares % job.heads;
    findPackedWindow(job, tile.b, tile.h, tile.packed);
    findWindowSums(job, tile.b, tile.h, share, tile.sums);
    clear(tile.sums.keys, tile.sums.end);
    const step = job.shares * WINDOW_TILE;
    for (let t = share * WINDOW_TILE; t < job.queries; t += step) backTile(job, tile, t);
  }
}

function backTile(job: WindowJob, tile: WindowBackTile, t: u32): void {
  beginWindowTile(job, tile, t);
  const end = endOf(job, t + tile.count - 1);
  for (let c = beginOf(job, t) & ~7; c < end; c += CHUNK) {
    backChunk(job, tile, c, min(end, c + CHUNK));
  }
  const step = (job.heads * job.dim) << 2;
  let dQ = windowQuery(job, job.dQ, tile.b, t, tile.h);
  for (let r: u32 = 0, at: usize = 0; r < tile.count; r++, at += tile.row, dQ += step) {
    addScaled(tile.dContent + at, job.dim, job.scale, dQ);
    if (!job.reach) continue;
    addScaled(tile.dPosition + at, job.dim, job.scale, dQ);
    addScaled(tile.dContent + at, job.dim, 1, tile.sums.contentBias);
    addScaled(tile.dPosition + at, job.dim, 1, tile.sums.positionBias);
  }
}

/** Keys [c, end), by those groups of queries from the first to the last that see any of them. */
function backChunk(job: WindowJob, tile: WindowBackTile, c: u32, end: u32): void {
  let begin: u32 = 0, last = tile.count;
  while (begin < last && endOf(job, tile.t + min(begin + GROUP, last) - 1) <= c) begin += GROUP;
  while (begin < last && beginOf(job, tile.t + (last - 1) / GROUP * GROUP) >= end) {
    last = (last - 1) / GROUP * GROUP;
  }
  if (begin >= last) return;
  // Distances are met from that of the last query and the first key on, in whole panels.
  const met: u32 = max(distancePlace(job, tile.t + last - 1, c), 0) & ~7;
  logits(job, tile, begin, last, c, end);
  if (job.reach) meetDistances(job, tile, begin, last, c, end, met);
  for (let r = begin; r < last; r++) weighRow(job, tile, r, c, end);
  addProducts(job, tile, begin, last, c, end);
  if (job.reach) leaveDistances(job, tile, begin, last, c, end, met);
}

/** weights = content · keys and dx = dOut · values. */
function logits(
  job: WindowJob,
  tile: WindowBackTile,
  begin: u32,
  last: u32,
  c: u32,
  end: u32,
): void {
  const from = (c - firstKey(job)) * tile.row, panels = eights(end - c) >> 3;
  const keys = tile.packed.keys + from, values = tile.packed.values + from, row = tile.weightsRow;
  for (let r = begin; r < last; r += GROUP) {
    const content = tile.turnedContent + r * tile.row, dOut = tile.turnedDOut + r * tile.row;
    scorePanels(job.dim, content, keys, panels, tile.weights + r * row, row);
    scorePanels(job.dim, dOut, values, panels, tile.dx + r * row, row);
  }
}

/** Logits of a query to weights and gradients; 0 of keys that it does not see. */
function weighRow(job: WindowJob, tile: WindowBackTile, r: u32, c: u32, end: u32): void {
  const x = tile.weights + r * tile.weightsRow, dx = tile.dx + r * tile.weightsRow;
  const from = seenFrom(job, tile, r, c, end), count = seenTo(job, tile, r, c, end) - from;
  const at = (from - c) << 2, to = at + (count << 2), all = (end - c) << 2;
  const lse = load<f32>(tile.lse + (r << 2)), delta = load<f32>(tile.delta + (r << 2));
  clear(x, x + at);
  clear(dx, dx + at);
  topGradients(x + at, dx + at, count, lse, delta);
  clear(x + to, x + all);
  clear(dx + to, dx + all);
}

/** The first of the keys [c, end) that the tile's query r sees; end, if it sees none. */
function seenFrom(job: WindowJob, tile: WindowBackTile, r: u32, c: u32, end: u32): u32 {
  return min(end, max(c, beginOf(job, tile.t + r)));
}

/** The key behind the last of them. */
function seenTo(job: WindowJob, tile: WindowBackTile, r: u32, c: u32, end: u32): u32 {
  return max(seenFrom(job, tile, r, c, end), min(end, endOf(job, tile.t + r)));
}

/** dContent += dx · keys, dKeys += dxᵀ · content, dValues += weightsᵀ · dOut. */
function addProducts(
  job: WindowJob,
  tile: WindowBackTile,
  begin: u32,
  last: u32,
  c: u32,
  end: u32,
): void {
  const dim = job.dim, row = tile.weightsRow, count = end - c, rows = last - begin;
  const weights = tile.weights + begin * row, dx = tile.dx + begin * row, at = begin * tile.row;
  const from = (c - firstKey(job)) * tile.row;
  timesTurned(count, rows, weights, row, tile.dOut + at, dim, tile.sums.values + from, true);
  timesTurned(count, rows, dx, row, tile.content + at, dim, tile.sums.keys + from, true);
  for (let r = begin; r < last; r += GROUP) {
    const dContent = tile.dContent + r * tile.row, keys = tile.packed.keyRows + from;
    addValues(count, tile.dx + r * row, row, tile.turned, keys, dim, dContent);
  }
}

/** Where the distances begin, in whole panels, that a group whose last query is r meets from key c on. */
function metFrom(job: WindowJob, tile: WindowBackTile, r: u32, c: u32): u32 {
  return max(distancePlace(job, tile.t + r, c), 0) & ~7;
}

/** Where those end that a group whose first query is r meets up to key `end`. */
function metTo(job: WindowJob, tile: WindowBackTile, r: u32, end: u32): u32 {
  const highest = distancePlace(job, tile.t + r, end - 1) + 1;
  return eights(min(<u32> max(highest, 1), job.reach));
}

/** Adds to weights, which are logits yet, those of positions. */
function meetDistances(
  job: WindowJob,
  tile: WindowBackTile,
  begin: u32,
  last: u32,
  c: u32,
  end: u32,
  met: u32,
): void {
  for (let r = begin; r < last; r += GROUP) {
    const next = min(last, r + GROUP), from = metFrom(job, tile, next - 1, c);
    const rows = tile.packed.distances + from * tile.row;
    const into = tile.met + r * tile.metRow + ((from - met) << 2);
    const panels = (metTo(job, tile, r, end) - from) >> 3;
    scorePanels(job.dim, tile.turnedPosition + r * tile.row, rows, panels, into, tile.metRow);
    for (let i = r; i < next; i++) {
      const key = seenFrom(job, tile, i, c, end), count = seenTo(job, tile, i, c, end) - key;
      const x = tile.weights + i * tile.weightsRow + ((key - c) << 2);
      const place = distancePlace(job, tile.t + i, key) - met;
      addPositions(x, count, tile.met + i * tile.metRow, place);
    }
  }
}

/** Takes dx from keys to distances; dPosition += dx · distances, dDistances += dxᵀ · position. */
function leaveDistances(
  job: WindowJob,
  tile: WindowBackTile,
  begin: u32,
  last: u32,
  c: u32,
  end: u32,
  met: u32,
): void {
  for (let r = begin; r < last; r++) {
    const key = seenFrom(job, tile, r, c, end), count = seenTo(job, tile, r, c, end) - key;
    const dx = tile.dx + r * tile.weightsRow + ((key - c) << 2), to = tile.met + r * tile.metRow;
    clear(to, to + tile.metRow);
    takePositions(dx, count, to, distancePlace(job, tile.t + r, key) - met);
  }
  for (let r = begin; r < last; r += GROUP) {
    const next = min(last, r + GROUP), from = metFrom(job, tile, next - 1, c);
    const dx = tile.met + r * tile.metRow + ((from - met) << 2);
    const rows = tile.packed.distanceRows + from * tile.row, to = metTo(job, tile, r, end);
    const dPosition = tile.dPosition + r * tile.row;
    addValues(to - from, dx, tile.metRow, tile.turned, rows, job.dim, dPosition);
  }
  const top = metTo(job, tile, begin, end);
  for (let e = met; e < top; e += GROUP) addDistances(job, tile, begin, last, c, end, e, met);
}

/** GROUP distances from place e on: of those queries that have any of them to a key of the chunk. */
function addDistances(
  job: WindowJob,
  tile: WindowBackTile,
  begin: u32,
  last: u32,
  c: u32,
  end: u32,
  e: u32,
  met: u32,
): void {
  // The place of key c is one less from each query to the next.
  const first = distancePlace(job, tile.t + begin, c) - <i32> e, count = end - c;
  const from = begin + max(0, first - <i32> GROUP + 1);
  // Whatever is too far away is at place 0.
  const to = e == 0 ? last : min(last, begin + max(0, first + <i32> count));
  if (from >= to) return;
  const dx = tile.met + from * tile.metRow + ((e - met) << 2);
  const position = tile.position + from * tile.row, out = tile.sums.distances + e * tile.row;
  const width = min(GROUP, distanceRoom(job) - e);
  timesTurned(width, to - from, dx, tile.metRow, position, job.dim, out, true);
}
