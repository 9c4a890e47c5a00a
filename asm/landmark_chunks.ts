// landmark_chunks: what a tile of queries reads in earlier blocks, whose gates it has already.

import { BLIND, blockAt, Chunk, chunkAt, countsOf } from "./block_plan";
import { addGroup, scorePanels } from "./group_products";
import { turnSoftmax } from "./group_softmax";
import { eights, GROUP, Job } from "./landmark_job";
import { sightOf, Tile } from "./landmark_tile";
import { clear } from "./row_softmax";

/** Earlier blocks, chunk by chunk, while the chunk's keys and values are at hand. */
export function walkChunks(job: Job, tile: Tile): void {
  const chunks = countsOf(job.plan, tile.planRow).chunks;
  for (let c: u32 = 0; c < chunks; c++) {
    const chunk = chunkAt(job.plan, tile.planRow, c);
    for (let r: u32 = 0; r < tile.count; r += GROUP) chunkGroup(job, tile, chunk, r);
  }
}

/** What queries r … of the tile read in the earlier blocks of a chunk: those that any of them sees. */
function chunkGroup(job: Job, tile: Tile, chunk: Chunk, r: u32): void {
  let first = chunk.endBlock, last = chunk.firstBlock;
  for (let i = r, end = min(r + GROUP, tile.count); i < end; i++) {
    const sight = sightOf(job, tile, i);
    if (sight.ownStart == BLIND || sight.firstBlock >= sight.endBlock) continue;
    first = min(first, sight.firstBlock);
    last = max(last, sight.endBlock);
  }
  first = max(first, chunk.firstBlock);
  last = min(last, chunk.endBlock);
  if (first >= last) return;

  const base = blockAt(job.plan, tile.planRow, first).start & ~7;
  const end = blockAt(job.plan, tile.planRow, last - 1).end, from = base * tile.row;
  const q = tile.q + r * tile.row, out = tile.out + r * tile.row;
  const panels = (eights(end) - base) >> 3;
  scorePanels(tile.dim, q, tile.packed.keys + from, panels, tile.scores, tile.scoresRow);
  let done = tile.turned;
  for (let n = first; n < last; n++) {
    const block = blockAt(job.plan, tile.planRow, n), at = block.start - base;
    const turned = tile.turned + at * (GROUP << 2);
    clear(done, turned);
    turnSoftmax(
      seenBy(job, tile, n, r),
      tile.scores + (at << 2),
      tile.scoresRow,
      block.end - block.start,
      tile.gates + r * tile.gatesRow + ((tile.chosen + n) << 2),
      tile.gatesRow,
      turned,
    );
    done = tile.turned + (block.end - base) * (GROUP << 2);
  }
  addGroup(end - base, tile.turned, tile.packed.values + from, tile.dim, out);
}

/** Which of queries r … of the tile see block n, a bit for each. */
function seenBy(job: Job, tile: Tile, n: u32, r: u32): u32 {
  let seen: u32 = 0;
  for (let i: u32 = 0, end = min(GROUP, tile.count - r); i < end; i++) {
    const sight = sightOf(job, tile, r + i);
    if (sight.ownStart == BLIND) continue;
    if (sight.firstBlock <= n && n < sight.endBlock) seen |= 1 << i;
  }
  return seen;
}
