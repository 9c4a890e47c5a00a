// window_sums: gradients of keys, values and positions, summed privately and then added up.
//
// The tiles of one batch row and head are dealt into shares, each with sums of its own. What is added
// in which order follows from shapes alone, so that the bits do not depend on threads.

import { addScaled } from "./row_gradients";
import { partStart } from "./simd";
import { distanceRoom, firstKey, keyRoom, windowKey, WindowJob, windowKvHead } from "./window_job";
import { shareOf } from "./thread";

/** Where the sums of one share lie: keys and values [keys, D], distances [reach, D], biases [D]. */
@unmanaged
export class WindowSums {
  keys: usize;
  values: usize;
  distances: usize;
  contentBias: usize;
  positionBias: usize;
  end: usize;
}

export function findWindowSums(
  job: WindowJob,
  b: u32,
  h: u32,
  share: u32,
  sums: WindowSums,
): void {
  const row = job.dim << 2;
  sums.keys = job.shareSums + ((b * job.heads + h) * job.shares + share) * job.shareBytes;
  sums.values = sums.keys + keyRoom(job) * row;
  sums.distances = sums.values + keyRoom(job) * row;
  sums.contentBias = sums.distances + distanceRoom(job) * row;
  sums.positionBias = sums.contentBias + row;
  sums.end = sums.positionBias + row;
}

/** Bytes of the sums of one share. */
export function shareBytes(job: WindowJob): u32 {
  return ((2 * keyRoom(job) + distanceRoom(job) + 2) * job.dim) << 2;
}

/** Adds the sums of all shares to the gradients: this part's share of keys, distances and heads. */
export function addWindowGradients(part: u32, parts: u32, job: WindowJob): void {
  const sums = changetype<WindowSums>(shareOf(job.work, job.workBytes));
  for (let b: u32 = 0; b < job.batch; b++) {
    for (let h: u32 = 0; h < job.heads; h++) {
      for (let share: u32 = 0; share < job.shares; share++) {
        findWindowSums(job, b, h, share, sums);
        addKeys(part, parts, job, sums, b, windowKvHead(job, h));
        if (!job.reach) continue;
        addDistances(part, parts, job, sums, h);
        if (h % parts == part) addBiases(job, sums, h);
      }
    }
  }
}

function addKeys(part: u32, parts: u32, job: WindowJob, sums: WindowSums, b: u32, g: u32): void {
  const first = firstKey(job), count = job.keys - first, row = job.dim << 2;
  const end = partStart(count, part + 1, parts);
  for (let s = partStart(count, part, parts); s < end; s++) {
    if (first + s < job.absent) continue;
    addScaled(sums.keys + s * row, job.dim, 1, windowKey(job, job.dK, b, first + s, g));
    addScaled(sums.values + s * row, job.dim, 1, windowKey(job, job.dV, b, first + s, g));
  }
}

/** Those of a share come from the furthest on. */
function addDistances(part: u32, parts: u32, job: WindowJob, sums: WindowSums, h: u32): void {
  const row = job.dim << 2, end = partStart(job.reach, part + 1, parts);
  for (let e = partStart(job.reach, part, parts); e < end; e++) {
    const distance = job.reach - 1 - e;
    const out = job.dDistances + (((distance * job.heads + h) * job.dim) << 2);
    addScaled(sums.distances + e * row, job.dim, 1, out);
  }
}

function addBiases(job: WindowJob, sums: WindowSums, h: u32): void {
  const at = (h * job.dim) << 2;
  addScaled(sums.contentBias, job.dim, job.scale, job.dContentBias + at);
  addScaled(sums.positionBias, job.dim, job.scale, job.dPositionBias + at);
}
