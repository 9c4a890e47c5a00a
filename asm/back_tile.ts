// back_tile: a tile of queries of one batch row and head, on its way back.

import { CHUNK, Sight, sightAt } from "./block_plan";
import { turnGroups } from "./group_products";
import { eights, GROUP, Job, queryRow, TILE } from "./landmark_job";
import { Packed } from "./landmark_pack";
import { Sums } from "./landmark_sums";
import { rowDot } from "./row_gradients";
import { clear, scaleInto } from "./row_softmax";

/**
 *   q, dOut, dQ     f32 [rows, D]         q scaled
 *   turnedQ, …DOut  f32 [groups, D, GROUP]
 *   gates, dGates   f32 [rows, blocks]
 *   weights, dx     f32 [rows, columns]   of what is looked at
 *   turned          f32 [most of columns and blocks, GROUP]
 *   top, delta      f32 [rows]
 */
@unmanaged
export class BackTile {
  b: u32;
  h: u32;
  t: u32;
  count: u32;
  /** How many queries it takes. */
  room: u32;
  planRow: u32;
  row: u32;
  gatesRow: u32;
  weightsRow: u32;
  q: usize;
  dOut: usize;
  dQ: usize;
  turnedQ: usize;
  turnedDOut: usize;
  gates: usize;
  dGates: usize;
  weights: usize;
  dx: usize;
  turned: usize;
  top: usize;
  delta: usize;
  packed: Packed;
  sums: Sums;
}

/** Numbers that weights may have, so that they stay in the second cache however long a block is. */
const MOST_WEIGHTS: u32 = 65536;

function columnsOf(job: Job): u32 {
  return eights(max(job.plan.widest, CHUNK));
}

/** Queries a tile takes: whole groups, fewer when blocks are long. */
function roomOf(job: Job): u32 {
  return max(GROUP, min(TILE, MOST_WEIGHTS / columnsOf(job) / GROUP * GROUP));
}

/** Steps of weights that are turned at once. */
function turnedRoom(job: Job): u32 {
  return max(columnsOf(job), eights(job.plan.mostBlocks));
}

/** Bytes of a tile and all that belongs to it. */
export function backTileBytes(job: Job): u32 {
  const columns = 5 * job.dim + 2 * eights(job.plan.mostBlocks) + 2 * columnsOf(job) + 2;
  return 256 + ((roomOf(job) * columns + GROUP * turnedRoom(job)) << 2);
}

/** Lays a tile out in a work area. */
export function layTile(job: Job, work: usize): BackTile {
  const tile = changetype<BackTile>(work);
  tile.packed = changetype<Packed>(work + 128);
  tile.sums = changetype<Sums>(work + 192);
  tile.room = roomOf(job);
  tile.row = job.dim << 2;
  tile.gatesRow = eights(job.plan.mostBlocks) << 2;
  tile.weightsRow = columnsOf(job) << 2;
  tile.q = work + 256;
  tile.dOut = tile.q + tile.room * tile.row;
  tile.dQ = tile.dOut + tile.room * tile.row;
  tile.turnedQ = tile.dQ + tile.room * tile.row;
  tile.turnedDOut = tile.turnedQ + tile.room * tile.row;
  tile.gates = tile.turnedDOut + tile.room * tile.row;
  tile.dGates = tile.gates + tile.room * tile.gatesRow;
  tile.weights = tile.dGates + tile.room * tile.gatesRow;
  tile.dx = tile.weights + tile.room * tile.weightsRow;
  tile.turned = tile.dx + tile.room * tile.weightsRow;
  tile.top = tile.turned + ((GROUP * turnedRoom(job)) << 2);
  tile.delta = tile.top + (tile.room << 2);
  return tile;
}

/** Takes up queries t … of its batch row and head. */
export function beginTile(job: Job, tile: BackTile, t: u32): void {
  tile.t = t;
  tile.count = min(tile.room, job.queries - t);
  for (let r: u32 = 0; r < tile.count; r++) {
    const q = tile.q + r * tile.row, dOut = tile.dOut + r * tile.row;
    scaleInto(queryRow(job, job.q, tile.b, t + r, tile.h), job.dim, job.scale, q);
    memory.copy(dOut, queryRow(job, job.dOut, tile.b, t + r, tile.h), tile.row);
    const delta = rowDot(dOut, queryRow(job, job.out, tile.b, t + r, tile.h), job.dim);
    store<f32>(tile.delta + (r << 2), delta);
    const top = job.top + (((tile.b * job.queries + t + r) * job.heads + tile.h) << 2);
    store<f32>(tile.top + (r << 2), load<f32>(top));
  }
  turnGroups(tile.q, tile.count, job.dim, tile.turnedQ);
  turnGroups(tile.dOut, tile.count, job.dim, tile.turnedDOut);
  clear(tile.dQ, tile.dQ + tile.count * tile.row);
  clear(tile.dGates, tile.dGates + tile.count * tile.gatesRow);
}

export function sightOf(job: Job, tile: BackTile, r: u32): Sight {
  return sightAt(job.plan, tile.planRow, job.keys - job.queries + tile.t + r);
}

export function topOf(tile: BackTile, r: u32): f32 {
  return load<f32>(tile.top + (r << 2));
}

export function deltaOf(tile: BackTile, r: u32): f32 {
  return load<f32>(tile.delta + (r << 2));
}
