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
//   infiniBackRows         what retrieves, queries and by the delta rule keys and values as well;
//                          chunks are shared out, each sums up dz
//   infiniBackNormalizers  dz, and the gates
//   infiniBackRest         what is stored: what dz gives to keys, and without the delta rule what dM
//                          gives to keys and values; what both give to what was before

import { retrieve, gateOf } from "./infini_attention";
import { backValues, gateSums, normalizerSums } from "./infini_back_normalizers";
import { addFeatureGradient, loadNormalizer, overDivisors } from "./infini_features";
import {
  behindGradient,
  Chunk,
  eights,
  frontOf,
  InfiniJob,
  keyRow,
  nextChunk,
  queryRow,
  reads,
  segmentAt,
} from "./infini_job";
import { addScaledRows, bringRows, scaleRows, sumScaledRows } from "./infini_rows";
import { layWalk, packTurned, timesTurnedMemory, Work } from "./infini_work";
import { addScaled, rowDot } from "./row_gradients";
import { clear } from "./row_softmax";

/** Gradients of what retrieves, for this part's share of the tokens of segments. */
export function infiniBackRows(part: u32, parts: u32, job: InfiniJob): void {
  const work = layWalk(job, part, parts), chunk = work.chunk;
  while (nextChunk(job, chunk)) {
    clear(work.zSum, work.zSum + work.row);
    const front = frontOf(job, chunk.b, chunk.s, chunk.g);
    const isRead = reads(segmentAt(job, chunk.b, chunk.s));
    loadNormalizer(front, job.dim, work.z);
    if (isRead || job.delta) packTurned(front, job.dim, work.frontTurned);
    const ratio = job.heads / job.kvHeads;
    for (let h = chunk.g * ratio; h < (chunk.g + 1) * ratio; h++) {
      if (isRead) backReader(job, work, chunk, h, front);
      else backCopy(job, work, chunk, h);
    }
    if (job.delta) backRetriever(job, work, chunk, front);
    memory.copy(normalizerSums(job, chunk.b, chunk.n, chunk.g), work.zSum, work.row);
  }
}

/** A query head of a chunk: out = σ·r + (1 − σ)·local. */
function backReader(job: InfiniJob, work: Work, chunk: Chunk, h: u32, front: usize): void {
  const dim = job.dim, row = work.row, step = (job.heads * dim) << 2, share = gateOf(job, h);
  const at = queryRow(job, 0, chunk.b, chunk.t, h);
  retrieve(job, work, job.q + at, step, chunk.count, front);
  overDivisors(work.divisors, chunk.count, share, work.factors);
  bringRows(job.dOut + at, step, chunk.count, dim, work.turned);
  scaleRows(job.dOut + at, step, work.factors, chunk.count, dim, work.y, row);
  bringRows(job.local + at, step, chunk.count, dim, work.turned);
  bringRows(job.dLocal + at, step, chunk.count, dim, work.turned);
  let gain: f32 = 0, offset = at;
  for (let t: u32 = 0; t < chunk.count; t++, offset += step) {
    const factor = load<f32>(work.factors + (t << 2)), dOut = job.dOut + offset;
    // dOut·φM, which is dOut·r · c
    const given = rowDot(dOut, work.x + t * row, dim), c = load<f32>(work.divisors + (t << 2));
    gain += given / c - rowDot(dOut, job.local + offset, dim);
    store<f32>(work.slopes + (t << 2), c > job.epsilon ? -factor * given / c : 0);
    addScaled(dOut, dim, 1 - share, job.dLocal + offset);
  }
  store<f32>(gateSums(job, chunk.b, chunk.n) + (h << 2), gain * share * (1 - share));
  timesTurnedMemory(work, work.y, chunk.count, dim, work.frontTurned, work.x, false);
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
  bringRows(dX, step, count, job.dim, work.turned);
  sumScaledRows(work.phi, work.row, work.slopes, count, job.dim, work.zSum);
  for (let t: u32 = 0, at: usize = 0; t < count; t++, at += work.row, dX += step) {
    const slope = load<f32>(work.slopes + (t << 2));
    addFeatureGradient(work.phi + at, dPhi + at, slope, work.z, job.dim, dX);
  }
}

/** A query head where out = local. */
function backCopy(job: InfiniJob, work: Work, chunk: Chunk, h: u32): void {
  const step = (job.heads * job.dim) << 2;
  let at = queryRow(job, 0, chunk.b, chunk.t, h);
  bringRows(job.dOut + at, step, chunk.count, job.dim, work.turned);
  bringRows(job.dLocal + at, step, chunk.count, job.dim, work.turned);
  for (let t: u32 = 0; t < chunk.count; t++, at += step) {
    addScaled(job.dOut + at, job.dim, 1, job.dLocal + at);
  }
  store<f32>(gateSums(job, chunk.b, chunk.n) + (h << 2), 0);
}

/**
 * Keys and values of a chunk by the delta rule, which stored u = v − r: dU = φ·dM behind,
 * dφ = u·dMᵀ + dr·Mᵀ/c. Of the rows, y has dU, w has u, and x at first r, then dφ.
 */
function backRetriever(job: InfiniJob, work: Work, chunk: Chunk, front: usize): void {
  const dim = job.dim, row = work.row, count = chunk.count, step = (job.kvHeads * dim) << 2;
  const at = keyRow(job, 0, chunk.b, chunk.t, chunk.g);
  const behind = behindGradient(job, chunk.b, chunk.s, chunk.g);
  retrieve(job, work, job.k + at, step, count, front);
  overDivisors(work.divisors, count, -1, work.factors);
  backValues(job, work, chunk, behind);
  addScaledRows(work.x, row, work.factors, count, dim, work.w);
  for (let t: u32 = 0, r: usize = 0; t < count; t++, r += row) {
    const factor = load<f32>(work.factors + (t << 2)), c = load<f32>(work.divisors + (t << 2));
    const given = rowDot(work.y + r, work.x + r, dim);
    store<f32>(work.slopes + (t << 2), c > job.epsilon ? factor * factor * given : 0);
  }
  packTurned(behind, dim, work.behindTurned);
  timesTurnedMemory(work, work.w, count, dim, work.behindTurned, work.x, false);
  scaleRows(work.y, row, work.factors, count, dim, work.y, row);
  timesTurnedMemory(work, work.y, count, dim, work.frontTurned, work.x, true);
  backFeatures(job, work, work.x, count, job.dK + at, step);
}
