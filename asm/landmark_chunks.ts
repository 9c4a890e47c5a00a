// landmark_chunks: what a tile of queries reads in earlier blocks, whose gates it has already.

import { BLIND, blockAt, Chunk, chunkAt, countsOf } from "./block_plan";
import { eights, GROUP, Job } from "./landmark_job";
import { addValues, scorePanels, sightOf, Tile } from "./landmark_tile";
import { clear, rowSoftmax } from "./row_softmax";

/** Earlier blocks, chunk by chunk, while the chunk's keys and values are at hand. */
export function walkChunks(job: Job, tile: Tile): void {
  const chunks = countsOf(job.plan, tile.planRow).chunks;
  for (let c: u32 = 0; c < chunks; c++) {
    const chunk = chunkAt(job.plan, tile.planRow, c);
    for (let r: u32 = 0; r < tile.count; r += GROUP) chunkGroup(job, tile, chunk, r);
  }
}

/** What queries r … of the tile read in the earlier blocks of a chunk. */
function chunkGroup(job: Job, tile: Tile, chunk: Chunk, r: u32): void {
  const rows = min(GROUP, tile.count - r), base = chunk.start;
  if (!anySees(job, tile, chunk, r, rows)) return;
  scorePanels(
    tile.dim,
    tile.q + r * tile.row,
    tile.packed.keys + base * tile.row,
    (eights(chunk.end) - base) >> 3,
    tile.scores,
    tile.scoresRow,
  );
  let scores = tile.scores;
  for (let i: u32 = 0; i < rows; i++, scores += tile.scoresRow) {
    chunkRow(job, tile, chunk, r + i, scores);
  }
  addValues(
    rows,
    chunk.end - base,
    tile.scores,
    tile.scoresRow,
    tile.packed.values + base * tile.row,
    tile.dim,
    tile.out + r * tile.row,
  );
}

/** Whether any of these queries sees a block of the chunk. */
function anySees(job: Job, tile: Tile, chunk: Chunk, r: u32, rows: u32): bool {
  for (let i: u32 = 0; i < rows; i++) {
    const sight = sightOf(job, tile, r + i);
    if (sight.ownStart == BLIND) continue;
    if (max(sight.firstBlock, chunk.firstBlock) < min(sight.endBlock, chunk.endBlock)) return true;
  }
  return false;
}

/** Logits of a chunk to weights: gate · softmax in every block the query sees, 0 elsewhere. */
function chunkRow(job: Job, tile: Tile, chunk: Chunk, r: u32, scores: usize): void {
  const sight = sightOf(job, tile, r);
  const gates = tile.gates + r * tile.gatesRow + (tile.chosen << 2);
  const end: u32 = sight.ownStart == BLIND ? 0 : min(sight.endBlock, chunk.endBlock);
  let done = scores;
  for (let n = max(sight.firstBlock, chunk.firstBlock); n < end; n++) {
    const block = blockAt(job.plan, tile.planRow, n);
    const from = scores + ((block.start - chunk.start) << 2);
    clear(done, from);
    rowSoftmax(from, block.end - block.start, load<f32>(gates + (n << 2)));
    done = scores + ((block.end - chunk.start) << 2);
  }
  clear(done, scores + ((chunk.end - chunk.start) << 2));
}
