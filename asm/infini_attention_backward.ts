// infini_attention_backward: the gradients of infini_attention, added.
//
//   dOut                       f32 [B, T, H, D]          in
//   dAfter                     f32 [B, G][D, D + 1]      in
//   dQ, dLocal, dK, dV, dGate  as q, local, k, v, gate   added to
//   dInitial, dBefore          as initial, before        added to
//   dFronts                    f32 [B, S, G][D, D + 1]   what each segment begins from
//
// With r = φM/c, c = max(φz, ε): dM = φᵀ·dr/c, dc = −dr·r/c, dz = φᵀ·dc, dφ = dr·Mᵀ/c + dc·z. The
// columns of dM depend on themselves alone, from the last segment to the first; dz sums up what all
// columns give. So there are four steps:
//
//   infiniBackMemories     dM: memories are shared out, and blocks of their columns
//   infiniBackRows         all of tokens but what dz gives; chunks are shared out, each sums up dz
//   infiniBackNormalizers  dz, and the gates
//   infiniBackRest         what dz gives to keys; what dM and dz give to what was before

import { retrieve, gateOf, storeMemory } from "./infini_attention";
import {
  addFeatureGradient,
  addScaledRows,
  divisors,
  features,
  loadNormalizer,
  overDivisors,
  storeNormalizer,
} from "./infini_features";
import {
  behindGradient,
  Chunk,
  eights,
  fromInitial,
  frontOf,
  InfiniJob,
  keyRow,
  memoryAt,
  memoryBytes,
  mostChunks,
  nextChunk,
  queryRow,
  reads,
  Segment,
  segmentAt,
  TOKENS,
} from "./infini_job";
import {
  addBindings,
  layWalk,
  layWork,
  packMemory,
  packTokens,
  packTurned,
  scalePanels,
  timesMemory,
  timesMemoryToPanels,
  Work,
} from "./infini_work";
import { addScaled, rowDot } from "./row_gradients";
import { clear } from "./row_softmax";
import { partStart, storeFirst } from "./simd";

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
  if (segment.first < segment.end) {
    loadNormalizer(frontOf(job, b, s, g), dim, work.z);
    if (job.delta) packMemory(behind, dim, first, count, work.behind);
  }
  for (let t = segment.first; t < segment.end; t += TOKENS) {
    const tokens = min(TOKENS, segment.end - t);
    if (reads(segment)) backReaders(job, work, b, t, g, tokens, first, count);
    if (job.delta) backRetrievers(job, work, b, t, g, tokens, count);
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
  for (let h = g * ratio; h < (g + 1) * ratio; h++) {
    takeFeatures(job, work, queryRow(job, job.q, b, t, h), step, tokens, gateOf(job, h));
    packTokens(queryRow(job, job.dOut, b, t, h), step, tokens, dim, first, count, work.x);
    scalePanels(work.x, work.factors, tokens, count, work.x, false);
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
  count: u32,
): void {
  const dim = job.dim, step = (job.kvHeads * dim) << 2;
  takeFeatures(job, work, keyRow(job, job.k, b, t, g), step, tokens, -1);
  timesMemoryToPanels(work, work.phi, tokens, dim, work.behind, count, work.x);
  scalePanels(work.x, work.factors, tokens, count, work.x, false);
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

/** Gradients of this part's share of the tokens of segments, but for what dz gives to keys. */
export function infiniBackRows(part: u32, parts: u32, job: InfiniJob): void {
  const work = layWalk(job, part, parts), chunk = work.chunk;
  while (nextChunk(job, chunk)) {
    clear(work.zSum, work.zSum + work.row);
    takeMemories(job, work, chunk);
    const isRead = reads(segmentAt(job, chunk.b, chunk.s));
    const ratio = job.heads / job.kvHeads;
    for (let h = chunk.g * ratio; h < (chunk.g + 1) * ratio; h++) {
      if (isRead) backReader(job, work, chunk, h);
      else backCopy(job, chunk, h);
    }
    backWriter(job, work, chunk);
    memory.copy(normalizerSums(job, chunk.b, chunk.n, chunk.g), work.zSum, work.row);
  }
}

/** Packs what tokens of the chunk meet, if it is another memory than before. */
function takeMemories(job: InfiniJob, work: Work, chunk: Chunk): void {
  const memory = 1 + (chunk.b * job.kvHeads + chunk.g) * job.segmentCount + chunk.s;
  if (work.packed == memory) return;
  work.packed = memory;
  const dim = job.dim, panels = eights(dim) >> 3;
  const front = frontOf(job, chunk.b, chunk.s, chunk.g);
  const behind = behindGradient(job, chunk.b, chunk.s, chunk.g);
  packMemory(front, dim, 0, panels, work.front);
  packTurned(front, dim, work.frontTurned);
  packMemory(behind, dim, 0, panels, work.behind);
  packTurned(behind, dim, work.behindTurned);
  loadNormalizer(front, dim, work.z);
}

/** A query head of a chunk: out = σ·r + (1 − σ)·local. */
function backReader(job: InfiniJob, work: Work, chunk: Chunk, h: u32): void {
  const dim = job.dim, row = work.row, step = (job.heads * dim) << 2, share = gateOf(job, h);
  const at = queryRow(job, 0, chunk.b, chunk.t, h);
  retrieve(job, work, job.q + at, step, chunk.count);
  overDivisors(work.divisors, chunk.count, share, work.factors);
  let gain: f32 = 0, offset = at;
  for (let t: u32 = 0; t < chunk.count; t++, offset += step) {
    const factor = load<f32>(work.factors + (t << 2)), dOut = job.dOut + offset;
    // dOut·φM, which is dOut·r · c
    const given = rowDot(dOut, work.x + t * row, dim), c = load<f32>(work.divisors + (t << 2));
    gain += given / c - rowDot(dOut, job.local + offset, dim);
    store<f32>(work.slopes + (t << 2), c > job.epsilon ? -factor * given / c : 0);
    scaleRow(dOut, factor, dim, work.y + t * row);
    addScaled(dOut, dim, 1 - share, job.dLocal + offset);
  }
  store<f32>(gateSums(job, chunk.b, chunk.n) + (h << 2), gain * share * (1 - share));
  timesMemory(work, work.y, chunk.count, dim, work.frontTurned, work.x, false);
  backFeatures(job, work, work.x, chunk.count, job.dQ + at, step);
}

/** dX += what features get by way of what they retrieved; and the sum of dz. */
function backFeatures(
  job: InfiniJob,
  work: Work,
  dPhi: usize,
  count: u32,
  dX: usize,
  step: u32,
): void {
  addScaledRows(work.phi, work.row, work.slopes, count, job.dim, work.zSum);
  for (let t: u32 = 0, at: usize = 0; t < count; t++, at += work.row, dX += step) {
    const slope = load<f32>(work.slopes + (t << 2));
    addFeatureGradient(work.phi + at, dPhi + at, slope, work.z, job.dim, dX);
  }
}

/** A query head where out = local. */
function backCopy(job: InfiniJob, chunk: Chunk, h: u32): void {
  const step = (job.heads * job.dim) << 2;
  let at = queryRow(job, 0, chunk.b, chunk.t, h);
  for (let t: u32 = 0; t < chunk.count; t++, at += step) {
    addScaled(job.dOut + at, job.dim, 1, job.dLocal + at);
  }
  store<f32>(gateSums(job, chunk.b, chunk.n) + (h << 2), 0);
}

/**
 * Keys and values of a chunk, which stored u = v, or v − r: dU = φ·dM behind, dφ = u·dMᵀ. Of the
 * rows, y has dU, w has u, and x at first r, then dφ.
 */
function backWriter(job: InfiniJob, work: Work, chunk: Chunk): void {
  const dim = job.dim, row = work.row, count = chunk.count, step = (job.kvHeads * dim) << 2;
  const at = keyRow(job, 0, chunk.b, chunk.t, chunk.g);
  clear(work.slopes, work.slopes + (count << 2));
  if (job.delta) {
    retrieve(job, work, job.k + at, step, count);
    overDivisors(work.divisors, count, -1, work.factors);
  } else features(job.k + at, step, count, dim, work.phi, row);
  timesMemory(work, work.phi, count, dim, work.behind, work.y, false);
  let offset = at;
  for (let t: u32 = 0, r: usize = 0; t < count; t++, r += row, offset += step) {
    addScaled(work.y + r, dim, 1, job.dV + offset);
    memory.copy(work.w + r, job.v + offset, dim << 2);
    if (!job.delta) continue;
    const factor = load<f32>(work.factors + (t << 2)), c = load<f32>(work.divisors + (t << 2));
    addScaled(work.x + r, dim, factor, work.w + r);
    const given = rowDot(work.y + r, work.x + r, dim);
    store<f32>(work.slopes + (t << 2), c > job.epsilon ? factor * factor * given : 0);
    scaleRow(work.y + r, factor, dim, work.y + r);
  }
  timesMemory(work, work.w, count, dim, work.behindTurned, work.x, false);
  if (job.delta) timesMemory(work, work.y, count, dim, work.frontTurned, work.x, true);
  backFeatures(job, work, work.x, count, job.dK + at, step);
}

/** out [dim] = factor · x. */
function scaleRow(x: usize, factor: f32, dim: u32, out: usize): void {
  const factors = f32x4.splat(factor);
  for (let left = <i32> dim; left > 0; left -= 4, x += 16, out += 16) {
    storeFirst(out, f32x4.mul(factors, v128.load(x)), left);
  }
}

/** [Dp]: what a chunk gives to dz. */
function normalizerSums(job: InfiniJob, b: u32, n: u32, g: u32): usize {
  return gateSums(job, b, n) + ((eights(job.heads) + g * eights(job.dim)) << 2);
}

/** [H]: what a chunk gives to gates. */
function gateSums(job: InfiniJob, b: u32, n: u32): usize {
  const ofChunk = eights(job.heads) + job.kvHeads * eights(job.dim);
  return job.sums + (((b * mostChunks(job) + n) * ofChunk) << 2);
}

/** dz in front of every segment, and dGate, from the sums of chunks. */
export function infiniBackNormalizers(part: u32, parts: u32, job: InfiniJob): void {
  const work = layWork(job), heads = job.batch * job.kvHeads;
  const end = partStart(heads, part + 1, parts);
  for (let head = partStart(heads, part, parts); head < end; head++) {
    const b = head / job.kvHeads;
    let n = chunksOf(job, b);
    for (let s = job.segmentCount; s > 0; s--) {
      n -= chunksIn(segmentAt(job, b, s - 1));
      backNormalizer(job, work, b, s - 1, head % job.kvHeads, n);
    }
  }
  const lastHead = partStart(job.heads, part + 1, parts);
  for (let h = partStart(job.heads, part, parts); h < lastHead; h++) {
    let sum: f32 = 0;
    for (let b: u32 = 0; b < job.batch; b++) {
      const chunks = chunksOf(job, b);
      for (let n: u32 = 0; n < chunks; n++) sum += load<f32>(gateSums(job, b, n) + (h << 2));
    }
    store<f32>(job.dGate + (h << 2), load<f32>(job.dGate + (h << 2)) + sum);
  }
}

/** dz in front of segment s, whose first chunk is the n-th: that behind it, and its chunks' sums. */
function backNormalizer(job: InfiniJob, work: Work, b: u32, s: u32, g: u32, n: u32): void {
  const dim = job.dim;
  const end = n + chunksIn(segmentAt(job, b, s));
  loadNormalizer(behindGradient(job, b, s, g), dim, work.z);
  for (; n < end; n++) addScaled(normalizerSums(job, b, n, g), dim, 1, work.z);
  storeNormalizer(work.z, dim, memoryAt(job, job.dFronts, b, s, g));
}

function chunksIn(segment: Segment): u32 {
  return (segment.end - segment.first + TOKENS - 1) / TOKENS;
}

/** Of a batch row. */
function chunksOf(job: InfiniJob, b: u32): u32 {
  let count: u32 = 0;
  for (let s: u32 = 0; s < job.segmentCount; s++) count += chunksIn(segmentAt(job, b, s));
  return count;
}

/** What dz behind a segment gives to its keys, and what begins from initial and before, to them. */
export function infiniBackRest(part: u32, parts: u32, job: InfiniJob): void {
  const work = layWalk(job, part, parts), chunk = work.chunk;
  while (nextChunk(job, chunk)) backStored(job, work, chunk);
  const bytes = memoryBytes(job);
  const end = partStart(job.kvHeads, part + 1, parts);
  for (let g = partStart(job.kvHeads, part, parts); g < end; g++) {
    for (let b: u32 = 0; b < job.batch; b++) {
      for (let s: u32 = 0; s < job.segmentCount; s++) {
        const initial = fromInitial(segmentAt(job, b, s));
        if (!initial && s > 0) continue;
        const to = initial ? job.dInitial + g * bytes : job.dBefore + (b * job.kvHeads + g) * bytes;
        addScaled(memoryAt(job, job.dFronts, b, s, g), bytes >> 2, 1, to);
      }
    }
  }
}

/** dK += dz · φ′: z behind is z in front + Σ φ(k). */
function backStored(job: InfiniJob, work: Work, chunk: Chunk): void {
  const dim = job.dim, step = (job.kvHeads * dim) << 2;
  const at = keyRow(job, 0, chunk.b, chunk.t, chunk.g);
  features(job.k + at, step, chunk.count, dim, work.phi, work.row);
  loadNormalizer(behindGradient(job, chunk.b, chunk.s, chunk.g), dim, work.z);
  let dK = job.dK + at;
  for (let t: u32 = 0, r: usize = 0; t < chunk.count; t++, r += work.row, dK += step) {
    addFeatureGradient(work.phi + r, work.z, 0, work.z, dim, dK);
  }
}
