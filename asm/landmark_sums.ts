// landmark_sums: gradients of keys and values, summed privately and then added up.
//
// The tiles of one batch row and head are dealt into shares, each with sums of its own, laid out as
// landmark_pack lays out rows. What is added in which order follows from shapes alone, so that the
// bits do not depend on threads.

import { blockAt, countsOf, slotsOf } from "./block_plan";
import { eights, foreignCount, foreignList, Job, keyRow, planRowOf } from "./landmark_job";
import { partStart, storeTail } from "./simd";
import { shareOf } from "./thread";

/** Where the sums of one share lie. */
@unmanaged
export class Sums {
  keys: usize;
  values: usize;
  landmarks: usize;
  foreignKeys: usize;
  foreignValues: usize;
  end: usize;
}

export function findSums(job: Job, b: u32, h: u32, share: u32, sums: Sums): void {
  const row = job.dim << 2, slots = job.plan.mostSlots * row;
  const foreign = eights(job.foreignRoom) * row;
  sums.keys = job.sums + ((b * job.heads + h) * job.shares + share) * job.sumsBytes;
  sums.values = sums.keys + slots;
  sums.landmarks = sums.values + slots;
  sums.foreignKeys = sums.landmarks + eights(job.plan.mostBlocks) * row;
  sums.foreignValues = sums.foreignKeys + foreign;
  sums.end = sums.foreignValues + foreign;
}

/** Bytes of the sums of one share. */
export function sumsBytes(job: Job): u32 {
  const mostSlots = job.plan.mostSlots, mostBlocks = job.plan.mostBlocks;
  return ((2 * mostSlots + eights(mostBlocks) + 2 * eights(job.foreignRoom)) * job.dim) << 2;
}

/** Adds the sums of all heads and shares to the gradients: this part's share of the keys. */
export function addLandmarkGradients(part: u32, parts: u32, job: Job): void {
  const sums = changetype<Sums>(shareOf(job.work, job.workBytes));
  const group = job.heads / job.kvHeads;
  for (let b: u32 = 0; b < job.batch; b++) {
    for (let h: u32 = 0; h < job.heads; h++) {
      for (let share: u32 = 0; share < job.shares; share++) {
        findSums(job, b, h, share, sums);
        addSlots(part, parts, job, sums, b, h / group);
        if (h / group % parts == part) addForeign(job, sums, b, h / group);
      }
    }
  }
}

function addSlots(part: u32, parts: u32, job: Job, sums: Sums, b: u32, g: u32): void {
  const row = planRowOf(job, b), counts = countsOf(job.plan, row), slots = slotsOf(job.plan, row);
  const bytes = job.dim << 2, end = partStart(counts.slots, part + 1, parts);
  for (let s = partStart(counts.slots, part, parts); s < end; s++) {
    const key = load<i32>(slots + (s << 2));
    if (key < 0) continue;
    addRow(sums.keys + s * bytes, job.dim, keyRow(job, job.dK, b, key, g));
    addRow(sums.values + s * bytes, job.dim, keyRow(job, job.dV, b, key, g));
  }
  const endBlock = partStart(counts.blocks, part + 1, parts);
  for (let n = partStart(counts.blocks, part, parts); n < endBlock; n++) {
    const key = blockAt(job.plan, row, n).landmark;
    addRow(sums.landmarks + n * bytes, job.dim, keyRow(job, job.dK, b, key, g));
  }
}

/** A pool entry may be on many lists: one part adds up all of a key/value head's. */
function addForeign(job: Job, sums: Sums, b: u32, g: u32): void {
  const count = foreignCount(job, b), list = foreignList(job, b), bytes = job.dim << 2;
  for (let i: u32 = 0; i < count; i++) {
    const entry = ((load<u32>(list + (i << 2)) * job.kvHeads + g) * job.dim) << 2;
    addRow(sums.foreignKeys + i * bytes, job.dim, job.dForeignKeys + entry);
    addRow(sums.foreignValues + i * bytes, job.dim, job.dForeignValues + entry);
  }
}

/** out [count] += row. */
function addRow(row: usize, count: u32, out: usize): void {
  for (; count >= 4; count -= 4, row += 16, out += 16) {
    v128.store(out, f32x4.add(v128.load(out), v128.load(row)));
  }
  if (count > 0) storeTail(out, f32x4.add(v128.load(out), v128.load(row)), count);
}
