// infini_back_memories: gradients of memories, the first step of infini_attention_backward.

import { gateOf, storeMemory } from "./infini_attention";
import { divisors, features, loadNormalizer, overDivisors } from "./infini_features";
import {
  behindGradient,
  blockColumns,
  eights,
  frontOf,
  InfiniJob,
  keyRow,
  memoryAt,
  queryRow,
  reads,
  segmentAt,
  TOKENS,
} from "./infini_job";
import { bringRows, scaleRows } from "./infini_rows";
import { addBindings, layWork, timesMemory, Work } from "./infini_work";
import { clear } from "./row_softmax";
import { partStart } from "./simd";

/** dM in front of every segment, for this part's memories, or blocks of their columns. */
export function infiniBackMemories(part: u32, parts: u32, job: InfiniJob): void {
  const work = layWork(job), panels = eights(job.dim) >> 3, blocks = job.blocks;
  const tasks = job.batch * job.kvHeads * blocks, end = partStart(tasks, part + 1, parts);
  for (let task = partStart(tasks, part, parts); task < end; task++) {
    const block = task % blocks, head = task / blocks;
    const first = partStart(panels, block, blocks);
    const count = partStart(panels, block + 1, blocks) - first;
    for (let s = job.segmentCount; s > 0; s--) {
      backSegment(job, work, head / job.kvHeads, s - 1, head % job.kvHeads, first, count);
    }
  }
}

/** `count` panels of dM in front of segment s: that behind it, and what was read. */
function backSegment(
  job: InfiniJob,
  work: Work,
  b: u32,
  s: u32,
  g: u32,
  first: u32,
  count: u32,
): void {
  const segment = segmentAt(job, b, s), dim = job.dim, behind = behindGradient(job, b, s, g);
  clear(work.sums, work.sums + dim * (count << 5));
  loadNormalizer(frontOf(job, b, s, g), dim, work.z);
  for (let t = segment.first; t < segment.end; t += TOKENS) {
    const tokens = min(TOKENS, segment.end - t);
    if (reads(segment)) backReaders(job, work, b, t, g, tokens, first, count);
    if (job.delta) backRetrievers(job, work, b, t, g, tokens, behind + (first << 5), count);
  }
  storeMemory(work, behind, dim, first, count, memoryAt(job, job.dFronts, b, s, g));
}

/** sums += φ(q)ᵀ · σ·dOut/c, of all query heads. */
function backReaders(
  job: InfiniJob,
  work: Work,
  b: u32,
  t: u32,
  g: u32,
  tokens: u32,
  first: u32,
  count: u32,
): void {
  const dim = job.dim, ratio = job.heads / job.kvHeads, step = (job.heads * dim) << 2;
  const columns = blockColumns(dim, first, count);
  for (let h = g * ratio; h < (g + 1) * ratio; h++) {
    takeFeatures(job, work, queryRow(job, job.q, b, t, h), step, tokens, gateOf(job, h));
    const dOut = queryRow(job, job.dOut, b, t, h) + (first << 5);
    bringRows(dOut, step, tokens, columns, work.turned);
    scaleRows(dOut, step, work.factors, tokens, columns, work.x, count << 5);
    addBindings(work, tokens, dim, work.x, count);
  }
}

/** sums −= φ(k)ᵀ · dU/c: what a key stored is less by what it retrieved; dU = φ(k)·dM behind. */
function backRetrievers(
  job: InfiniJob,
  work: Work,
  b: u32,
  t: u32,
  g: u32,
  tokens: u32,
  behind: usize,
  count: u32,
): void {
  const dim = job.dim, step = (job.kvHeads * dim) << 2;
  takeFeatures(job, work, keyRow(job, job.k, b, t, g), step, tokens, -1);
  timesMemory(work, work.phi, tokens, dim, behind, count, work.x);
  scaleRows(work.x, count << 5, work.factors, tokens, count << 3, work.x, count << 5);
  addBindings(work, tokens, dim, work.x, count);
}

/** Features of rows, and factors factor/c. */
function takeFeatures(
  job: InfiniJob,
  work: Work,
  rows: usize,
  step: u32,
  tokens: u32,
  factor: f32,
): void {
  features(rows, step, tokens, job.dim, work.phi, work.row);
  divisors(work.phi, work.row, tokens, work.z, job.dim, job.epsilon, work.divisors);
  overDivisors(work.divisors, tokens, factor, work.factors);
}
