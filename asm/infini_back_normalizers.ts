// infini_back_normalizers: gradients of normalizers and gates, from what chunks give to them, and
// what is left to do once they are known: the last two steps of infini_attention_backward.

import {
  addFeatureGradient,
  features,
  loadNormalizer,
  storeNormalizer,
} from "./infini_features";
import {
  behindGradient,
  Chunk,
  eights,
  fromInitial,
  InfiniJob,
  keyRow,
  memoryAt,
  memoryBytes,
  mostChunks,
  nextChunk,
  Segment,
  segmentAt,
  TOKENS,
} from "./infini_job";
import { bringRows, copyRows } from "./infini_rows";
import { layWalk, layWork, packTurned, timesMemory, timesTurnedMemory, Work } from "./infini_work";
import { addScaled } from "./row_gradients";
import { clear } from "./row_softmax";
import { partStart } from "./simd";

/** [Dp]: what a chunk gives to dz. */
export function normalizerSums(job: InfiniJob, b: u32, n: u32, g: u32): usize {
  return gateSums(job, b, n) + ((eights(job.heads) + g * eights(job.dim)) << 2);
}

/** [H]: what a chunk gives to gates. */
export function gateSums(job: InfiniJob, b: u32, n: u32): usize {
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

/** Gradients of what is stored; and of initial and before, from what begins with them. */
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

/**
 * dK += dz · φ′: z behind is z in front + Σ φ(k). Without the delta rule what it stored is v, and
 * gives dφ = v·dMᵀ as well, and dV.
 */
function backStored(job: InfiniJob, work: Work, chunk: Chunk): void {
  const dim = job.dim, step = (job.kvHeads * dim) << 2;
  const at = keyRow(job, 0, chunk.b, chunk.t, chunk.g);
  const behind = behindGradient(job, chunk.b, chunk.s, chunk.g);
  features(job.k + at, step, chunk.count, dim, work.phi, work.row);
  if (job.delta) {
    clear(work.x, work.x + chunk.count * work.row);
  } else {
    backValues(job, work, chunk, behind);
    packTurned(behind, dim, work.behindTurned);
    timesTurnedMemory(work, work.w, chunk.count, dim, work.behindTurned, work.x, false);
  }
  loadNormalizer(behind, dim, work.z);
  let dK = job.dK + at;
  bringRows(dK, step, chunk.count, dim, work.turned);
  for (let t: u32 = 0, r: usize = 0; t < chunk.count; t++, r += work.row, dK += step) {
    addFeatureGradient(work.phi + r, work.x + r, 1, work.z, dim, dK);
  }
}

/** dV += y = φ·dM behind; and w = v. */
export function backValues(job: InfiniJob, work: Work, chunk: Chunk, behind: usize): void {
  const dim = job.dim, step = (job.kvHeads * dim) << 2;
  const at = keyRow(job, 0, chunk.b, chunk.t, chunk.g);
  timesMemory(work, work.phi, chunk.count, dim, behind, eights(dim) >> 3, work.y);
  copyRows(job.v + at, step, chunk.count, dim, work.w, work.row);
  let dV = job.dV + at;
  bringRows(dV, step, chunk.count, dim, work.turned);
  for (let t: u32 = 0, r: usize = 0; t < chunk.count; t++, r += work.row, dV += step) {
    addScaled(work.y + r, dim, 1, dV);
  }
}
