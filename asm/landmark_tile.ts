// landmark_tile: up to TILE queries of one batch row and head, on their way through the keys.
//
//   q        f32 [groups, D, GROUP]        scaled
//   slotQ    f32 [groups, D, GROUP]        the same, as seen from the slot of a chosen block
//   pieces   f32 [chosen, TILE, M]         logits, then weights, of what is looked at in those
//   out      f32 [TILE, D]                 sums of weighted values
//   gates    f32 [TILE, chosen + blocks]   logits, then gates, of remembered and earlier blocks
//   scores   f32 [GROUP, columns]          logits, then weights, of what GROUP queries look at
//   turned   f32 [columns, GROUP]          those weights, as micro-kernels want them
//   rows     f32 [TILE, D]                 queries, before they are turned
//
// The top group comes first. Its softmax gives every gate, so that the walk over earlier blocks has
// nothing to rescale: each block adds gate · softmax(logits) · values and is done.

import { BLIND, Sight, sightAt } from "./block_plan";
import { addValues, scorePanels, turnGroups } from "./group_products";
import {
  eights,
  foreignCount,
  GROUP,
  Job,
  kvHeadOf,
  planRowOf,
  queryRow,
  TILE,
} from "./landmark_job";
import { findPacked, Packed } from "./landmark_pack";
import { clear, rowAdd, scaleInto, topSoftmax } from "./row_softmax";
import { partStart } from "./simd";

@unmanaged
export class Tile {
  /** Batch row, head, first query, how many. */
  b: u32;
  h: u32;
  t: u32;
  count: u32;
  dim: u32;
  planRow: u32;
  foreign: u32;
  /** Columns that chosen blocks take in front of the earlier ones, a multiple of eight. */
  chosen: u32;
  q: usize;
  slotQ: usize;
  pieces: usize;
  out: usize;
  gates: usize;
  scores: usize;
  turned: usize;
  rows: usize;
  /** Bytes from row to row. */
  row: u32;
  gatesRow: u32;
  scoresRow: u32;
  pieceRow: u32;
  pieceRows: u32;
  packed: Packed;
}

/** Columns of scores. */
function columnsOf(job: Job): u32 {
  // The own blocks of GROUP queries: a query adds a slot, and a chunk's end up to 7 empty ones.
  const own = eights(job.plan.widest) + GROUP * 8 + 16;
  return max(eights(job.foreignRoom) + own, eights(job.blockSize));
}

/** Numbers that logits of chosen blocks may be, so that they stay in the second cache. */
const MOST_PIECES: u32 = 65536;

/** Queries a tile has room for: whole groups. */
function roomOf(job: Job): u32 {
  const columns = job.chosen * eights(job.blockSize);
  if (columns == 0) return TILE;
  return max(GROUP, min(TILE, MOST_PIECES / columns / GROUP * GROUP));
}

/** In how many tiles the queries of one batch row and head are cut. */
export function tilesOf(job: Job): u32 {
  return (job.queries + roomOf(job) - 1) / roomOf(job);
}

/** Bytes of a tile and all that belongs to it. */
export function tileBytes(job: Job): u32 {
  const gates = eights(job.chosen) + eights(job.plan.mostBlocks);
  const columns = 4 * job.dim + gates + job.chosen * eights(job.blockSize);
  return 256 + ((roomOf(job) * columns + 2 * GROUP * columnsOf(job)) << 2);
}

/** Lays a tile out in a work area. */
export function layTile(job: Job, work: usize): Tile {
  const tile = changetype<Tile>(work), room = roomOf(job);
  tile.packed = changetype<Packed>(work + 128);
  tile.dim = job.dim;
  tile.chosen = eights(job.chosen);
  tile.row = job.dim << 2;
  tile.gatesRow = (tile.chosen + eights(job.plan.mostBlocks)) << 2;
  tile.scoresRow = columnsOf(job) << 2;
  tile.pieceRow = eights(job.blockSize) << 2;
  tile.pieceRows = room * tile.pieceRow;
  tile.q = work + 256;
  tile.slotQ = tile.q + room * tile.row;
  tile.out = tile.slotQ + room * tile.row;
  tile.rows = tile.out + room * tile.row;
  tile.gates = tile.rows + room * tile.row;
  tile.pieces = tile.gates + room * tile.gatesRow;
  tile.scores = tile.pieces + job.chosen * tile.pieceRows;
  tile.turned = tile.scores + GROUP * tile.scoresRow;
  return tile;
}

/** Takes up tile i of `tiles` of one batch row and head: as many groups as any other. */
export function beginTile(job: Job, tile: Tile, b: u32, h: u32, i: u32, tiles: u32): void {
  const groups = (job.queries - 1) / GROUP + 1, t = partStart(groups, i, tiles) * GROUP;
  tile.b = b;
  tile.h = h;
  tile.t = t;
  tile.count = min(job.queries, partStart(groups, i + 1, tiles) * GROUP) - t;
  tile.planRow = planRowOf(job, b);
  tile.foreign = foreignCount(job, b);
  findPacked(job, b, kvHeadOf(job, h), tile.packed);
  loadGroups(tile, queryRow(job, job.q, b, t, h), (job.heads * job.dim) << 2, job.scale, tile.q);
  clear(tile.out, tile.out + tile.count * tile.row);
}

/** groups = factor · the tile's rows of queries, which lie `step` bytes apart, turned. */
export function loadGroups(tile: Tile, from: usize, step: usize, factor: f32, groups: usize): void {
  let row = tile.rows;
  for (let r: u32 = 0; r < tile.count; r++, from += step, row += tile.row) {
    scaleInto(from, tile.dim, factor, row);
  }
  turnGroups(tile.rows, tile.count, tile.dim, groups);
}

/** What the tile's query r sees. */

@inline
export function sightOf(job: Job, tile: Tile, r: u32): Sight {
  return sightAt(job.plan, tile.planRow, job.keys - job.queries + tile.t + r);
}

/** The top group of queries r … of the tile: gates, weights of their own blocks, and `top`. */
export function topGroup(job: Job, tile: Tile, r: u32): void {
  const rows = min(GROUP, tile.count - r), dim = tile.dim, packed = tile.packed;
  let start: u32 = BLIND, end: u32 = 0, first: u32 = BLIND, last: u32 = 0;
  for (let i: u32 = 0; i < rows; i++) {
    const sight = sightOf(job, tile, r + i);
    if (sight.ownStart == BLIND) continue;
    start = min(start, sight.ownStart);
    end = max(end, sight.ownEnd);
    first = min(first, sight.firstBlock);
    last = max(last, sight.endBlock);
  }
  if (start == BLIND) start = first = 0; // nobody sees anything

  const base = start & ~7, foreign = eights(tile.foreign);
  const q = tile.q + r * tile.row, gates = tile.gates + r * tile.gatesRow;
  const scores = tile.scores, own = scores + (foreign << 2);
  scorePanels(dim, q, packed.foreignKeys, foreign >> 3, scores, tile.scoresRow);
  scorePanels(
    dim,
    q,
    packed.keys + base * tile.row,
    (eights(end) - base) >> 3,
    own,
    tile.scoresRow,
  );
  first &= ~7;
  scorePanels(
    dim,
    q,
    packed.landmarks + first * tile.row,
    (eights(last) - first) >> 3,
    gates + ((tile.chosen + first) << 2),
    tile.gatesRow,
  );
  for (let i: u32 = 0; i < rows; i++) {
    topRow(job, tile, r + i, scores + i * tile.scoresRow, base, end);
  }

  const out = tile.out + r * tile.row;
  addValues(
    tile.foreign,
    scores,
    tile.scoresRow,
    tile.turned,
    packed.foreignValues,
    dim,
    out,
  );
  addValues(
    end - base,
    own,
    tile.scoresRow,
    tile.turned,
    packed.values + base * tile.row,
    dim,
    out,
  );
}

/** The softmax of one query's top group. Its own scores are those of slots [base, end). */
function topRow(job: Job, tile: Tile, r: u32, foreign: usize, base: u32, end: u32): void {
  const sight = sightOf(job, tile, r), own = foreign + (eights(tile.foreign) << 2);
  const chosen = tile.gates + r * tile.gatesRow;
  const top = job.top
    ? job.top + (((tile.b * job.queries + tile.t + r) * job.heads + tile.h) << 2)
    : 0;
  if (sight.ownStart == BLIND) {
    clear(foreign, own + ((end - base) << 2));
    clear(chosen, chosen + (tile.chosen << 2));
    if (top) store<f32>(top, -Infinity);
    return;
  }
  const blocks = chosen + ((tile.chosen + sight.firstBlock) << 2);
  const blockCount = sight.endBlock - sight.firstBlock;
  const seen = own + ((sight.ownStart - base) << 2), seenCount = sight.ownEnd - sight.ownStart;

  rowAdd(foreign, tile.foreign, job.foreignBias);
  const lse = topSoftmax(
    foreign,
    tile.foreign,
    chosen,
    job.chosen,
    blocks,
    blockCount,
    seen,
    seenCount,
  );
  clear(own, seen);
  clear(seen + (seenCount << 2), own + ((end - base) << 2));
  if (top) store<f32>(top, lse);
}

/** Gives the tile's results away. */
export function endTile(job: Job, tile: Tile): void {
  let out = queryRow(job, job.out, tile.b, tile.t, tile.h);
  for (let r: u32 = 0; r < tile.count; r++) {
    memory.copy(out, tile.out + r * tile.row, tile.row);
    out += (job.heads * job.dim) << 2;
  }
}

/** Whether a part takes tile i of some head: in turns, that change sides from head to head. */
export function takes(part: u32, parts: u32, head: u32, i: u32, tiles: u32): bool {
  return (head * tiles + (head & 1 ? tiles - 1 - i : i)) % parts == part;
}
