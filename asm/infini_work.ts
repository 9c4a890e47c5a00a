// infini_work: what a thread has at hand, and products of tokens with memories. Rows are
// f32 [TOKENS, Dp], Dp the next multiple of eight to D, or as wide as a block of a memory's columns.
// Columns are taken by eights, panels, read where the memory lies; one on its side is packed,
// f32 [Dp/8, D, 8].

import { timesTurned } from "./group_products";
import { beginChunks, Chunk, eights, InfiniJob, mostChunks, TOKENS } from "./infini_job";
import { packPanel, packTile } from "./pack";
import { PACKED_ROWS, packedTile } from "./packed_tile";
import { shareOf } from "./thread";

@unmanaged
export class Work {
  /** Bytes from row to row. */
  row: u32;
  chunk: Chunk;
  /** Features, and what else tokens have: rows. */
  phi: usize;
  x: usize;
  y: usize;
  w: usize;
  /** [TOKENS]: divisors, factors, slopes of the divisors. */
  divisors: usize;
  factors: usize;
  slopes: usize;
  /** [Dp]: the normalizer, a sum over tokens. */
  z: usize;
  zSum: usize;
  /** [D, Dp]: a sum over tokens, and what a chunk gives to it. */
  sums: usize;
  given: usize;
  /** [D, PACKED_ROWS]: some rows on their side. */
  turned: usize;
  /** A memory, and its gradient behind a segment, on their sides: panels. */
  frontTurned: usize;
  behindTurned: usize;
}

const RECORDS: u32 = 128;

/** Fills in workBytes and sumsBytes of a job, in whole cache lines. */
export function infiniRoom(job: InfiniJob): void {
  const width = eights(job.dim), ofTokens = (4 * width + 3) * TOKENS;
  const numbers = ofTokens + (2 + PACKED_ROWS) * width + 4 * width * width;
  job.workBytes = (RECORDS + (numbers << 2) + 63) & ~63;
  const ofChunk = job.kvHeads * width + eights(job.heads);
  job.sumsBytes = job.dOut ? (job.batch * mostChunks(job) * ofChunk) << 2 : 0;
}

/** Lays out the work area of this thread. */
export function layWork(job: InfiniJob): Work {
  const at = shareOf(job.work, job.workBytes), work = changetype<Work>(at);
  const row = eights(job.dim) << 2, rows = TOKENS * row, panels = eights(job.dim) * row;
  work.row = row;
  work.chunk = changetype<Chunk>(at + 72);
  work.phi = at + RECORDS;
  work.x = work.phi + rows;
  work.y = work.x + rows;
  work.w = work.y + rows;
  work.sums = work.w + rows;
  work.given = work.sums + panels;
  work.frontTurned = work.given + panels;
  work.behindTurned = work.frontTurned + panels;
  work.z = work.behindTurned + panels;
  work.zSum = work.z + row;
  work.turned = work.zSum + row;
  work.divisors = work.turned + PACKED_ROWS * row;
  work.factors = work.divisors + (TOKENS << 2);
  work.slopes = work.factors + (TOKENS << 2);
  return work;
}

/** Lays it out and takes up the part's share of chunks. */
export function layWalk(job: InfiniJob, part: u32, parts: u32): Work {
  const work = layWork(job);
  beginChunks(job, work.chunk, part, parts);
  return work;
}

/** A memory on its side, [D, D] to panels: they run along its values. */
export function packTurned(memory: usize, dim: u32, panels: usize): void {
  const row = (dim + 1) << 2;
  for (let i: u32 = 0; i < dim; i += 8, panels += dim << 5) {
    packPanel(memory + i * row, 4, row, dim, min(8, dim - i), panels);
  }
}

/**
 * out [count, 8 · panelCount] = rows x [count, D] · columns of a memory, from the address of the
 * first one on. Whole panels are read, as they lie: what is behind the last column gives numbers
 * that mean nothing.
 */
export function timesMemory(
  work: Work,
  x: usize,
  count: u32,
  dim: u32,
  memory: usize,
  panelCount: u32,
  out: usize,
): void {
  timesPanels(work, x, count, dim, memory, 32, (dim + 1) << 2, panelCount, out, false);
}

/** out [count, Dp] (+)= rows x [count, D] · a memory on its side. */
export function timesTurnedMemory(
  work: Work,
  x: usize,
  count: u32,
  dim: u32,
  panels: usize,
  out: usize,
  accumulate: bool,
): void {
  timesPanels(work, x, count, dim, panels, dim << 5, 32, eights(dim) >> 3, out, accumulate);
}

/** Panels lie `panelStep` bytes apart, and their rows `panelRow`. */
function timesPanels(
  work: Work,
  x: usize,
  count: u32,
  dim: u32,
  panels: usize,
  panelStep: u32,
  panelRow: u32,
  panelCount: u32,
  out: usize,
  accumulate: bool,
): void {
  const turned = work.turned, outRow = panelCount << 5, end = x + count * work.row;
  // Rows past the last one have room, and whatever they hold means nothing.
  for (; x < end; x += PACKED_ROWS * work.row, out += PACKED_ROWS * outRow) {
    packTile(x, work.row, PACKED_ROWS, dim, turned);
    for (let p: u32 = 0; p < panelCount; p++) {
      const panel = panels + p * panelStep, to = out + (p << 5);
      packedTile(
        PACKED_ROWS, 8, dim, turned, PACKED_ROWS << 2, panel, panelRow, to, outRow, accumulate,
      );
    }
  }
}

/**
 * sums [D, 8 · panelCount] += φᵀ · x [count, 8 · panelCount]. What a chunk gives is summed up by
 * itself: one chain over a long segment would round each of its tokens off by a last bit of the
 * whole.
 */
export function addBindings(
  work: Work,
  count: u32,
  dim: u32,
  x: usize,
  panelCount: u32,
): void {
  const columns = panelCount << 3, end = work.given + dim * (columns << 2);
  timesTurned(dim, count, work.phi, work.row, x, columns, work.given, false);
  for (let given = work.given, sums = work.sums; given < end; given += 16, sums += 16) {
    v128.store(sums, f32x4.add(v128.load(sums), v128.load(given)));
  }
}
