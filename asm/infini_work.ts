// infini_work: what a thread has at hand. Rows are f32 [TOKENS, Dp], Dp the next multiple of eight
// to D. Panels have eight columns each, one behind the other: of tokens, f32 [Dp/8, TOKENS, 8]; of a
// memory, f32 [Dp/8, D, 8].

import { beginChunks, Chunk, eights, InfiniJob, mostChunks, TOKENS } from "./infini_job";
import { multiplyPanel } from "./matmul";
import { packPanel } from "./pack";
import { madd } from "./simd";
import { shareOf } from "./thread";

/** Bytes from one row of a panel to the next. */
const PANEL_ROW: u32 = 32;
/** From one panel of tokens to the next. */
const TOKENS_PANEL: u32 = TOKENS * PANEL_ROW;

@unmanaged
export class Work {
  /** Bytes from row to row. */
  row: u32;
  chunk: Chunk;
  /** Features, and what else tokens have: rows, or panels. */
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
  /** [D, Dp]: a sum over tokens. */
  sums: usize;
  /** A memory, and its gradient behind a segment, each also turned on its side. */
  front: usize;
  frontTurned: usize;
  behind: usize;
  behindTurned: usize;
  /** Whose panels these are: memories in the order of the walk, from 1 on. */
  packed: u32;
}

const RECORDS: u32 = 128;

/** Fills in workBytes and sumsBytes of a job, in whole cache lines. */
export function infiniRoom(job: InfiniJob): void {
  const width = eights(job.dim);
  const numbers = 4 * TOKENS * width + 3 * TOKENS + 2 * width + 5 * width * width;
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
  work.front = work.sums + panels;
  work.frontTurned = work.front + panels;
  work.behind = work.frontTurned + panels;
  work.behindTurned = work.behind + panels;
  work.z = work.behindTurned + panels;
  work.zSum = work.z + row;
  work.divisors = work.zSum + row;
  work.factors = work.divisors + (TOKENS << 2);
  work.slopes = work.factors + (TOKENS << 2);
  work.packed = 0;
  return work;
}

/** Lays it out and takes up the part's share of chunks. */
export function layWalk(job: InfiniJob, part: u32, parts: u32): Work {
  const work = layWork(job);
  beginChunks(job, work.chunk, part, parts);
  return work;
}

/** Columns from 8 · first on, as many panels as `count`, of a memory. */
export function packMemory(memory: usize, dim: u32, first: u32, count: u32, panels: usize): void {
  const row = (dim + 1) << 2;
  for (let p = first; p < first + count; p++, panels += dim << 5) {
    packPanel(memory + (p << 5), row, 4, dim, min(8, dim - (p << 3)), panels);
  }
}

/** The same, all of it, on its side: panels are of features, and run along the values. */
export function packTurned(memory: usize, dim: u32, panels: usize): void {
  const row = (dim + 1) << 2;
  for (let i: u32 = 0; i < dim; i += 8, panels += dim << 5) {
    packPanel(memory + i * row, 4, row, dim, min(8, dim - i), panels);
  }
}

/** Rows of x [count, D], `xRow` bytes apart, to panels of tokens. */
export function packTokens(
  x: usize,
  xRow: u32,
  count: u32,
  dim: u32,
  first: u32,
  panelCount: u32,
  panels: usize,
): void {
  for (let p = first; p < first + panelCount; p++, panels += TOKENS_PANEL) {
    packPanel(x + (p << 5), xRow, 4, count, min(8, dim - (p << 3)), panels);
  }
}

/** out [count, Dp] (+)= rows x [count, D] · panels of a memory. */
export function timesMemory(
  work: Work,
  x: usize,
  count: u32,
  dim: u32,
  panels: usize,
  out: usize,
  accumulate: bool,
): void {
  const row = work.row;
  for (let d: u32 = 0; d < dim; d += 8, panels += dim << 5, out += 32) {
    multiplyPanel(x, row, 4, panels, PANEL_ROW, out, row, count, 8, dim, accumulate);
  }
}

/** The same, to `panelCount` panels of tokens. */
export function timesMemoryToPanels(
  work: Work,
  x: usize,
  count: u32,
  dim: u32,
  panels: usize,
  panelCount: u32,
  out: usize,
): void {
  for (; panelCount > 0; panelCount--, panels += dim << 5, out += TOKENS_PANEL) {
    multiplyPanel(x, work.row, 4, panels, PANEL_ROW, out, PANEL_ROW, count, 8, dim, false);
  }
}

/**
 * sums [D, 8 · panelCount] += φᵀ · panels of tokens. What a chunk gives is summed up by itself: one
 * chain over a long segment would round each of its tokens off by a last bit of the whole.
 */
export function addBindings(
  work: Work,
  count: u32,
  dim: u32,
  panels: usize,
  panelCount: u32,
): void {
  // Nothing is turned on its side where sums are made.
  const given = work.frontTurned, sumsRow = panelCount << 5;
  for (let p: u32 = 0; p < panelCount; p++, panels += TOKENS_PANEL) {
    multiplyPanel(work.phi, 4, work.row, panels, PANEL_ROW, given, PANEL_ROW, dim, 8, count, false);
    let sums = work.sums + (p << 5), x = given;
    for (let i = dim; i > 0; i--, sums += sumsRow, x += PANEL_ROW) {
      v128.store(sums, f32x4.add(v128.load(sums), v128.load(x)));
      v128.store(sums, f32x4.add(v128.load(sums, 16), v128.load(x, 16)), 16);
    }
  }
}

/** Panels of tokens, each token's numbers times its factor, plus `to` if `adds`, to there. */
export function scalePanels(
  panels: usize,
  factors: usize,
  count: u32,
  panelCount: u32,
  to: usize,
  adds: bool,
): void {
  for (; panelCount > 0; panelCount--, panels += TOKENS_PANEL, to += TOKENS_PANEL) {
    let x = panels, y = to, factor = factors;
    for (let t = count; t > 0; t--, x += 32, y += 32, factor += 4) {
      const f = v128.load32_splat(factor);
      const left = f32x4.mul(v128.load(x), f), right = f32x4.mul(v128.load(x, 16), f);
      v128.store(y, adds ? f32x4.add(v128.load(y), left) : left);
      v128.store(y, adds ? f32x4.add(v128.load(y, 16), right) : right, 16);
    }
  }
}
