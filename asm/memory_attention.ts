// memory_attention: landmark attention of a section whose queries share a choice of blocks of the
// memory. (Queries that choose each for itself go through landmark_rows.)
//
//   pool          f32 [N, 2, M, D]    in    keys of an entry lie as [D, M], its values as [M, D]
//   entries       i32 [1, H, K]       in    by time
//   slots         i32 [1, H, K]       in
//   slotQueries   f32 [T, Z, H, D]    in    queries as they are seen from slot 0 … Z − 1
//
// A chosen block is an earlier block; its last key gates it, and that key's value is never used. As
// gates are a softmax over all blocks, logits of all are kept until the first block is read.

import { BLIND } from "./block_plan";
import { addGroup } from "./group_products";
import { turnSoftmax } from "./group_softmax";
import { walkChunks } from "./landmark_chunks";
import { GROUP, Job } from "./landmark_job";
import { chosenPlace, pieceKeys, pieceValues, slotQuery } from "./landmark_rows";
import {
  beginTile,
  endTile,
  layTile,
  loadGroups,
  sightOf,
  takes,
  Tile,
  tilesOf,
  topGroup,
} from "./landmark_tile";
import { scoreTile } from "./score_tile";
import { shareOf } from "./thread";

export function memoryAttention(part: u32, parts: u32, job: Job): void {
  const tile = layTile(job, shareOf(job.work, job.workBytes));
  const tiles = tilesOf(job);
  for (let h: u32 = 0; h < job.heads; h++) {
    for (let i: u32 = 0; i < tiles; i++) {
      if (!takes(part, parts, h, i, tiles)) continue;
      beginTile(job, tile, 0, h, i, tiles);
      for (let r: u32 = 0; r < job.chosen; r++) scorePiece(job, tile, r);
      for (let r: u32 = 0; r < tile.count; r += GROUP) topGroup(job, tile, r);
      walkChunks(job, tile);
      for (let r: u32 = 0; r < job.chosen; r++) readPiece(job, tile, r);
      endTile(job, tile);
    }
  }
}

/** Logits of what the tile looks at in choice r, and of its gate: those of the last key. */
function scorePiece(job: Job, tile: Tile, r: u32): void {
  const slot = load<u32>(job.slots + chosenPlace(job, 0, tile.h, r));
  const step = (job.slotCount * job.heads * job.dim) << 2;
  loadGroups(tile, slotQuery(job, tile.t, slot, tile.h), step, job.scale, tile.slotQ);
  const row = job.blockSize << 2, keys = pieceKeys(job, pieceOf(job, tile, r));
  const gates = tile.gates + (r << 2);
  for (let i: u32 = 0; i < tile.count; i += GROUP) {
    const q = tile.slotQ + i * tile.row, scores = scoresOf(tile, r, i);
    for (let at: u32 = 0; at < row; at += 32) {
      scoreTile(tile.dim, q, keys + at, row, scores + at, tile.pieceRow);
    }
    for (let j: u32 = 0, last = scores + row - 4; j < GROUP; j++, last += tile.pieceRow) {
      store<f32>(gates + (i + j) * tile.gatesRow, load<f32>(last));
    }
  }
}

/** What the tile reads in it. */
function readPiece(job: Job, tile: Tile, r: u32): void {
  const keys = job.blockSize - 1, values = pieceValues(job, pieceOf(job, tile, r));
  for (let i: u32 = 0; i < tile.count; i += GROUP) {
    const gates = tile.gates + i * tile.gatesRow + (r << 2), scores = scoresOf(tile, r, i);
    const seen = seeing(job, tile, i);
    turnSoftmax(seen, scores, tile.pieceRow, keys, gates, tile.gatesRow, tile.turned);
    addGroup(keys, tile.turned, values, tile.dim, tile.out + i * tile.row);
  }
}

function pieceOf(job: Job, tile: Tile, r: u32): u32 {
  return load<u32>(job.entries + chosenPlace(job, 0, tile.h, r));
}

/** Where logits of choice r begin for queries i …. */
function scoresOf(tile: Tile, r: u32, i: u32): usize {
  return tile.pieces + r * tile.pieceRows + i * tile.pieceRow;
}

/** Which of queries r … of the tile see anything, a bit for each: padding does not. */
function seeing(job: Job, tile: Tile, r: u32): u32 {
  let seen: u32 = 0;
  for (let i: u32 = 0, end = min(GROUP, tile.count - r); i < end; i++) {
    if (sightOf(job, tile, r + i).ownStart != BLIND) seen |= 1 << i;
  }
  return seen;
}
