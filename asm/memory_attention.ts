// memory_attention: landmark attention of a section whose queries share a choice of blocks of the
// memory. (Queries that choose each for itself go through landmark_rows.)
//
//   pool          f32 [N, 2, M, D]    in    keys of an entry lie as [D, M], its values as [M, D]
//   entries       i32 [1, H, K]       in    by time
//   slots         i32 [1, H, K]       in
//   slotQueries   f32 [T, Z, H, D]    in    queries as they are seen from slot 0 … Z − 1
//
// A chosen block is an earlier block; its last key gates it, and that key's value is never used.

import { BLIND } from "./block_plan";
import { addGroup } from "./group_products";
import { turnSoftmax } from "./group_softmax";
import { walkChunks } from "./landmark_chunks";
import { GROUP, Job, TILE } from "./landmark_job";
import { chosenPlace, pieceKeys, pieceValues, slotQuery } from "./landmark_rows";
import {
  beginTile,
  endTile,
  layTile,
  loadGroups,
  sightOf,
  takes,
  Tile,
  topGroup,
} from "./landmark_tile";
import { scoreTile } from "./score_tile";
import { shareOf } from "./thread";

export function memoryAttention(part: u32, parts: u32, job: Job): void {
  const tile = layTile(job, shareOf(job.work, job.workBytes));
  const tiles = (job.queries + TILE - 1) / TILE;
  for (let h: u32 = 0; h < job.heads; h++) {
    for (let i: u32 = 0; i < tiles; i++) {
      if (!takes(part, parts, h, i, tiles)) continue;
      beginTile(job, tile, 0, h, i * TILE);
      for (let r: u32 = 0; r < job.chosen; r++) gatePiece(job, tile, r);
      for (let r: u32 = 0; r < tile.count; r += GROUP) topGroup(job, tile, r);
      walkChunks(job, tile);
      for (let r: u32 = 0; r < job.chosen; r++) readPiece(job, tile, r);
      endTile(job, tile);
    }
  }
}

/** The queries of the tile as they are seen from the slot of choice r. */
function loadSlot(job: Job, tile: Tile, r: u32): void {
  const slot = load<u32>(job.slots + chosenPlace(job, 0, tile.h, r));
  const step = (job.slotCount * job.heads * job.dim) << 2;
  loadGroups(tile, slotQuery(job, tile.t, slot, tile.h), step, job.scale, tile.slotQ);
}

function pieceOf(job: Job, tile: Tile, r: u32): u32 {
  return load<u32>(job.entries + chosenPlace(job, 0, tile.h, r));
}

/** The logits of its gate. */
function gatePiece(job: Job, tile: Tile, r: u32): void {
  loadSlot(job, tile, r);
  const size = job.blockSize, landmark = pieceKeys(job, pieceOf(job, tile, r)) + ((size - 1) << 2);
  for (let i: u32 = 0; i < tile.count; i += GROUP) {
    const q = tile.slotQ + i * tile.row;
    // Of eight columns only the first is the landmark's.
    scoreTile(tile.dim, q, landmark, size << 2, tile.scores, tile.scoresRow);
    for (let j: u32 = 0; j < GROUP; j++) {
      const gate = tile.gates + (i + j) * tile.gatesRow + (r << 2);
      store<f32>(gate, load<f32>(tile.scores + j * tile.scoresRow));
    }
  }
}

/** What the tile reads in it. */
function readPiece(job: Job, tile: Tile, r: u32): void {
  loadSlot(job, tile, r);
  const size = job.blockSize, piece = pieceOf(job, tile, r), keys = pieceKeys(job, piece);
  const scores = tile.scores, scoresRow = tile.scoresRow;
  for (let i: u32 = 0; i < tile.count; i += GROUP) {
    const q = tile.slotQ + i * tile.row;
    for (let at: u32 = 0; at < (size - 1) << 2; at += 32) {
      scoreTile(tile.dim, q, keys + at, size << 2, scores + at, scoresRow);
    }
    const gates = tile.gates + i * tile.gatesRow + (r << 2);
    const seen = seeing(job, tile, i);
    turnSoftmax(seen, scores, scoresRow, size - 1, gates, tile.gatesRow, tile.turned);
    const out = tile.out + i * tile.row;
    addGroup(size - 1, tile.turned, pieceValues(job, piece), tile.dim, out);
  }
}

/** Which of queries r … of the tile see anything, a bit for each: padding does not. */
function seeing(job: Job, tile: Tile, r: u32): u32 {
  let seen: u32 = 0;
  for (let i: u32 = 0, end = min(GROUP, tile.count - r); i < end; i++) {
    if (sightOf(job, tile, r + i).ownStart != BLIND) seen |= 1 << i;
  }
  return seen;
}
