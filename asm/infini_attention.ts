// infini_attention: a compressive memory beside local attention (Munkhdalai et al., arXiv
// 2404.07143), whole rows; see src/device/infini.ts.
//
//   q, local, out           f32 [B, T, H, D]            in, in, out
//   k, v                    f32 [B, T, G, D]            in
//   gate                    f32 [H]                     in
//   segments                i32 [B, S, 3]               in
//   initial, before         f32 [G | B, G][D, D + 1]    in
//   memories                f32 [B, S, G][D, D + 1]     out
//
// First all segments are written, in order: memories are shared out, and blocks of their columns,
// which depend on nothing but themselves and the normalizer: who needs that, computes it for
// himself. Then all tokens read, in whatever order.

import {
  divisors,
  features,
  loadNormalizer,
  overDivisors,
  storeNormalizer,
} from "./infini_features";
import {
  blockColumns,
  Chunk,
  eights,
  fromInitial,
  frontOf,
  InfiniJob,
  keyRow,
  memoryAt,
  nextChunk,
  queryRow,
  reads,
  segmentAt,
  TOKENS,
} from "./infini_job";
import { addScaledRows, bringRows, copyRows, sumRows } from "./infini_rows";
import { addBindings, layWalk, layWork, timesMemory, Work } from "./infini_work";
import { expOf } from "./math";
import { addScaled } from "./row_gradients";
import { clear } from "./row_softmax";
import { madd, partStart, storeFirst, storeTail } from "./simd";

/** Writes the segments of this part's memories, or blocks of their columns. */
export function infiniAttentionWrite(part: u32, parts: u32, job: InfiniJob): void {
  const work = layWork(job), panels = eights(job.dim) >> 3, blocks = job.blocks;
  const tasks = job.batch * job.kvHeads * blocks, end = partStart(tasks, part + 1, parts);
  for (let task = partStart(tasks, part, parts); task < end; task++) {
    const block = task % blocks, head = task / blocks;
    const first = partStart(panels, block, blocks);
    const count = partStart(panels, block + 1, blocks) - first;
    for (let s: u32 = 0; s < job.segmentCount; s++) {
      writeSegment(job, work, head / job.kvHeads, s, head % job.kvHeads, first, count);
    }
  }
}

/** Memory behind segment s: `count` panels of its columns, and with the first one its normalizer. */
function writeSegment(
  job: InfiniJob,
  work: Work,
  b: u32,
  s: u32,
  g: u32,
  first: u32,
  count: u32,
): void {
  const segment = segmentAt(job, b, s), front = frontOf(job, b, s, g), dim = job.dim;
  const counts = first == 0 || job.delta;
  clear(work.sums, work.sums + dim * (count << 5));
  clear(work.zSum, work.zSum + work.row);
  // Elsewhere it is as the segment before left it.
  if (s == 0 || fromInitial(segment)) loadNormalizer(front, dim, work.z);
  for (let t = segment.first; t < segment.end; t += TOKENS) {
    const tokens = min(TOKENS, segment.end - t), step = (job.kvHeads * dim) << 2;
    features(keyRow(job, job.k, b, t, g), step, tokens, dim, work.phi, work.row);
    const v = keyRow(job, job.v, b, t, g) + (first << 5);
    copyRows(v, step, tokens, blockColumns(dim, first, count), work.x, count << 5);
    if (job.delta) subtractRetrieved(job, work, tokens, front + (first << 5), count);
    addBindings(work, tokens, dim, work.x, count);
    if (counts) sumRows(work.phi, work.row, tokens, dim, work.zSum);
  }
  addScaled(work.zSum, dim, 1, work.z);
  const behind = memoryAt(job, job.memories, b, s, g);
  storeMemory(work, job.alone ? 0 : front, dim, first, count, behind);
  if (first == 0) storeNormalizer(job.alone ? work.zSum : work.z, dim, behind);
}

/** x, of a block's columns, −= what the memory has for these keys already. */
function subtractRetrieved(
  job: InfiniJob,
  work: Work,
  tokens: u32,
  front: usize,
  count: u32,
): void {
  divisors(work.phi, work.row, tokens, work.z, job.dim, job.epsilon, work.divisors);
  overDivisors(work.divisors, tokens, -1, work.factors);
  timesMemory(work, work.phi, tokens, job.dim, front, count, work.y);
  addScaledRows(work.y, count << 5, work.factors, tokens, count << 3, work.x);
}

/** behind = front (or nothing) + sums, in the columns of `count` panels. */
export function storeMemory(
  work: Work,
  front: usize,
  dim: u32,
  first: u32,
  count: u32,
  behind: usize,
): void {
  const row = (dim + 1) << 2, columns = blockColumns(dim, first, count);
  for (let i: u32 = 0, at: usize = first << 5; i < dim; i++, at += row) {
    let sums = work.sums + i * (count << 5), from = front + at, to = behind + at;
    for (let left = <i32> columns; left > 0; left -= 4, sums += 16, from += 16, to += 16) {
      let sum = v128.load(sums);
      if (front) sum = f32x4.add(v128.load(from), sum);
      storeFirst(to, sum, left);
    }
  }
}

/** Reads for this part's share of the tokens of segments. */
export function infiniAttentionRead(part: u32, parts: u32, job: InfiniJob): void {
  const work = layWalk(job, part, parts), chunk = work.chunk;
  while (nextChunk(job, chunk)) {
    if (reads(segmentAt(job, chunk.b, chunk.s))) readChunk(job, work, chunk);
    else copyChunk(job, work, chunk);
  }
}

/** Query heads of the chunk's memory: out = σ·φM/c + (1 − σ)·local. */
function readChunk(job: InfiniJob, work: Work, chunk: Chunk): void {
  const dim = job.dim, ratio = job.heads / job.kvHeads, step = (job.heads * dim) << 2;
  const front = frontOf(job, chunk.b, chunk.s, chunk.g);
  loadNormalizer(front, dim, work.z);
  for (let h = chunk.g * ratio; h < (chunk.g + 1) * ratio; h++) {
    const share = gateOf(job, h);
    const at = queryRow(job, 0, chunk.b, chunk.t, h);
    retrieve(job, work, job.q + at, step, chunk.count, front);
    overDivisors(work.divisors, chunk.count, share, work.factors);
    bringRows(job.local + at, step, chunk.count, dim, work.turned);
    bringRows(job.out + at, step, chunk.count, dim, work.turned);
    let local = job.local + at, out = job.out + at;
    for (let t: u32 = 0; t < chunk.count; t++, local += step, out += step) {
      mixRow(work.x + t * work.row, load<f32>(work.factors + (t << 2)), local, 1 - share, dim, out);
    }
  }
}

/** Features of rows, their divisors by z, and x [count, D] = φ·M. */
export function retrieve(
  job: InfiniJob,
  work: Work,
  rows: usize,
  step: u32,
  count: u32,
  front: usize,
): void {
  const dim = job.dim;
  features(rows, step, count, dim, work.phi, work.row);
  divisors(work.phi, work.row, count, work.z, dim, job.epsilon, work.divisors);
  timesMemory(work, work.phi, count, dim, front, eights(dim) >> 3, work.x);
}

/** σ(gate) of a head. */
export function gateOf(job: InfiniJob, h: u32): f32 {
  return 1 / (1 + expOf(-load<f32>(job.gate + (h << 2))));
}

/** out [dim] = factor · x + rest · local. */
function mixRow(x: usize, factor: f32, local: usize, rest: f32, dim: u32, out: usize): void {
  const factors = f32x4.splat(factor), rests = f32x4.splat(rest);
  for (; dim >= 4; dim -= 4, x += 16, local += 16, out += 16) {
    v128.store(out, madd(factors, v128.load(x), f32x4.mul(rests, v128.load(local))));
  }
  if (dim > 0) {
    storeTail(out, madd(factors, v128.load(x), f32x4.mul(rests, v128.load(local))), dim);
  }
}

/** out = local, where there is nothing to read. */
function copyChunk(job: InfiniJob, work: Work, chunk: Chunk): void {
  const columns = job.heads / job.kvHeads * job.dim, step = (job.heads * job.dim) << 2;
  const at = queryRow(job, 0, chunk.b, chunk.t, chunk.g * (job.heads / job.kvHeads));
  bringRows(job.out + at, step, chunk.count, columns, work.turned);
  copyRows(job.local + at, step, chunk.count, columns, job.out + at, step);
}
