// window_back_tile: a tile of queries of one batch row and head, on its way back.

import { CHUNK } from "./block_plan";
import { turnGroups } from "./group_products";
import { eights, GROUP } from "./landmark_job";
import { rowDot } from "./row_gradients";
import { clear } from "./row_softmax";
import { WINDOW_TILE, WindowJob, windowQuery, windowSum } from "./window_job";
import { PackedWindow } from "./window_pack";
import { biasedRow } from "./window_softmax";
import { WindowSums } from "./window_sums";

/** Distances that a tile meets in a chunk, in whole panels wherever they begin. */
const MET: u32 = eights(CHUNK + WINDOW_TILE + 8);

/**
 *   content, position, dOut, dContent, dPosition   f32 [TILE, D]       position if there are any
 *   turnedContent, …Position, …DOut                f32 [groups, D, GROUP]
 *   weights, dx                                    f32 [TILE, CHUNK]   of the keys looked at
 *   met                                            f32 [TILE, MET]     logits of their distances,
 *                                                                      then gradients of those
 *   lse, delta                                     f32 [TILE]
 *   turned                                         f32 [MET, GROUP]    weights for addValues
 */
@unmanaged
export class WindowBackTile {
  b: u32;
  h: u32;
  t: u32;
  count: u32;
  /** Bytes from row to row. */
  row: u32;
  weightsRow: u32;
  metRow: u32;
  content: usize;
  position: usize;
  dOut: usize;
  dContent: usize;
  dPosition: usize;
  turnedContent: usize;
  turnedPosition: usize;
  turnedDOut: usize;
  turned: usize;
  weights: usize;
  dx: usize;
  met: usize;
  lse: usize;
  delta: usize;
  packed: PackedWindow;
  sums: WindowSums;
}

/** Bytes of a tile and all that belongs to it. */
export function windowBackTileBytes(job: WindowJob): u32 {
  return 192 + ((WINDOW_TILE * (8 * job.dim + 2 * CHUNK + MET + 2) + GROUP * MET) << 2);
}

/** Lays a tile out in a work area. */
export function layWindowTile(job: WindowJob, work: usize): WindowBackTile {
  const tile = changetype<WindowBackTile>(work), rows = WINDOW_TILE * (job.dim << 2);
  tile.packed = changetype<PackedWindow>(work + 128);
  tile.sums = changetype<WindowSums>(work + 160);
  tile.row = job.dim << 2;
  tile.weightsRow = CHUNK << 2;
  tile.metRow = MET << 2;
  tile.content = work + 192;
  tile.position = tile.content + rows;
  tile.dOut = tile.position + rows;
  tile.dContent = tile.dOut + rows;
  tile.dPosition = tile.dContent + rows;
  tile.turnedContent = tile.dPosition + rows;
  tile.turnedPosition = tile.turnedContent + rows;
  tile.turnedDOut = tile.turnedPosition + rows;
  tile.weights = tile.turnedDOut + rows;
  tile.dx = tile.weights + WINDOW_TILE * tile.weightsRow;
  tile.met = tile.dx + WINDOW_TILE * tile.weightsRow;
  tile.lse = tile.met + WINDOW_TILE * tile.metRow;
  tile.delta = tile.lse + (WINDOW_TILE << 2);
  tile.turned = tile.delta + (WINDOW_TILE << 2);
  return tile;
}

/** Takes up queries t … of its batch row and head. */
export function beginWindowTile(job: WindowJob, tile: WindowBackTile, t: u32): void {
  const dim = job.dim, head = (tile.h * dim) << 2;
  tile.t = t;
  tile.count = min(WINDOW_TILE, job.queries - t);
  for (let r: u32 = 0, at: usize = 0; r < tile.count; r++, at += tile.row) {
    const q = windowQuery(job, job.q, tile.b, t + r, tile.h);
    biasedRow(q, job.reach ? job.contentBias + head : 0, dim, job.scale, tile.content + at);
    if (job.reach) biasedRow(q, job.positionBias + head, dim, job.scale, tile.position + at);
    memory.copy(tile.dOut + at, windowQuery(job, job.dOut, tile.b, t + r, tile.h), tile.row);
    const out = windowQuery(job, job.out, tile.b, t + r, tile.h);
    store<f32>(tile.delta + (r << 2), rowDot(tile.dOut + at, out, dim));
    store<f32>(tile.lse + (r << 2), load<f32>(windowSum(job, tile.b, t + r, tile.h)));
  }
  turnGroups(tile.content, tile.count, dim, tile.turnedContent);
  turnGroups(tile.dOut, tile.count, dim, tile.turnedDOut);
  if (job.reach) turnGroups(tile.position, tile.count, dim, tile.turnedPosition);
  const end = tile.count * tile.row;
  clear(tile.dContent, tile.dContent + end);
  clear(tile.dPosition, tile.dPosition + end);
}
