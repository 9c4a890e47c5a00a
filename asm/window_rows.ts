// window_rows: window_attention for few queries, one by one, with keys, values and distances where
// they lie. Every sum is taken in the order of window_attention, so that a query gets the same bits
// alone and among many.
//
//   content, position    f32 [D]         scale · (q + u), scale · (q + w)
//   scores               f32 [keys]      logits, then weights
//   distances            f32 [reach]     logits of positions, from the furthest on

import { addRun, runScores } from "./row_products";
import { clear, rowScale } from "./row_softmax";
import { partStart } from "./simd";
import {
  beginOf,
  distancePlace,
  endOf,
  scoreRoom,
  windowKey,
  WindowJob,
  windowKvHead,
  windowQuery,
  windowSum,
} from "./window_job";
import { addPositions, biasedRow, windowSoftmax } from "./window_softmax";
import { shareOf } from "./thread";

/** Bytes of the work area. A vector may be written past the end of each part. */
export function windowRowBytes(job: WindowJob): u32 {
  return (2 * (job.dim + 4) + (scoreRoom(job) + 4) + (job.reach + 4)) << 2;
}

export function windowAttentionRows(part: u32, parts: u32, job: WindowJob): void {
  const work = shareOf(job.work, job.workBytes);
  const count = job.batch * job.queries * job.heads, end = partStart(count, part + 1, parts);
  for (let i = partStart(count, part, parts); i < end; i++) {
    attendRow(job, i / job.heads / job.queries, i / job.heads % job.queries, i % job.heads, work);
  }
}

function attendRow(job: WindowJob, b: u32, t: u32, h: u32, work: usize): void {
  const dim = job.dim, out = windowQuery(job, job.out, b, t, h), sum = windowSum(job, b, t, h);
  clear(out, out + (dim << 2));
  const from = beginOf(job, t), to = endOf(job, t);
  if (from >= to) return store<f32>(sum, -Infinity);

  const count = to - from, g = windowKvHead(job, h), step = (job.kvHeads * dim) << 2;
  const content = work, scores = content + ((dim + 4) << 2), head = (h * dim) << 2;
  const q = windowQuery(job, job.q, b, t, h), bias = job.reach ? job.contentBias + head : 0;
  biasedRow(q, bias, dim, job.scale, content);
  runScores(content, dim, windowKey(job, job.k, b, from, g), step, count, scores);
  if (job.reach) {
    const position = scores + ((scoreRoom(job) + 4) << 2), distances = position + ((dim + 4) << 2);
    biasedRow(q, job.positionBias + head, dim, job.scale, position);
    positionRow(job, position, head, count, distances);
    const place = distancePlace(job, t, from) + min(job.reach, count) - job.reach;
    addPositions(scores, count, distances, place);
  }
  const total = windowSoftmax(scores, count, sum);
  addRun(scores, windowKey(job, job.v, b, from, g), step, count, dim, out);
  rowScale(out, dim, 1 / total);
}

/** distances [min(reach, count)] = position · those of one head, from the furthest on. */
function positionRow(job: WindowJob, position: usize, head: u32, count: u32, scores: usize): void {
  const step = (job.heads * job.dim) << 2, met = min(job.reach, count);
  const furthest = job.distances + head + (met - 1) * step;
  runScores(position, job.dim, furthest, 0 - step, met, scores);
}
