// landmark_pack: keys and values of each batch row and head, laid out for the micro-kernel.
//
// A panel is eight rows, turned: f32 [D, 8]. Landmarks and padding are left out here, so that what
// follows walks over plain matrices, of slots, of blocks (their landmarks) and of foreign blocks:
//
//                                   forward   backward
//   keys           [slots, D]       panels    panels
//   values         [slots, D]       rows      panels
//   landmarks      [blocks, D]      panels    panels
//   foreignKeys    [foreign, D]     panels    panels
//   foreignValues  [foreign, D]     rows      panels
//   keyRows, landmarkRows, foreignKeyRows     rows
//
// Empty slots are zero: whatever weight they get, it changes nothing.

import { Block, blockAt, countsOf, slotsOf } from "./block_plan";
import { eights, foreignCount, foreignList, Job, keyRow, planRowOf } from "./landmark_job";
import { clear } from "./row_softmax";
import { partStart } from "./simd";

/** Where the parts of one packing lie. */
@unmanaged
export class Packed {
  keys: usize;
  values: usize;
  landmarks: usize;
  foreignKeys: usize;
  foreignValues: usize;
  keyRows: usize;
  landmarkRows: usize;
  foreignKeyRows: usize;
}

/** Finds the packing of batch row b and key/value head g. */
export function findPacked(job: Job, b: u32, g: u32, packed: Packed): void {
  const row = job.dim << 2, slots = job.plan.mostSlots * row;
  const blocks = eights(job.plan.mostBlocks) * row, foreign = eights(job.foreignRoom) * row;
  packed.keys = job.packed + (b * job.kvHeads + g) * job.packedBytes;
  packed.values = packed.keys + slots;
  packed.landmarks = packed.values + slots;
  packed.foreignKeys = packed.landmarks + blocks;
  packed.foreignValues = packed.foreignKeys + foreign;
  packed.keyRows = packed.foreignValues + foreign;
  packed.landmarkRows = packed.keyRows + slots;
  packed.foreignKeyRows = packed.landmarkRows + blocks;
}

/** Bytes of one packing. */
export function packedBytes(job: Job): u32 {
  const slots = job.plan.mostSlots, blocks = eights(job.plan.mostBlocks);
  const foreign = eights(job.foreignRoom), more = job.dOut ? slots + blocks + foreign : 0;
  return ((2 * slots + blocks + 2 * foreign + more) * job.dim) << 2;
}

/** Packs this part's share of every batch row and head. */
export function packLandmark(part: u32, parts: u32, job: Job): void {
  const packed = changetype<Packed>(job.work + part * job.workBytes), backward = job.dOut != 0;
  const step = (job.kvHeads * job.dim) << 2;
  for (let b: u32 = 0; b < job.batch; b++) {
    const row = planRowOf(job, b), counts = countsOf(job.plan, row);
    const slots = slotsOf(job.plan, row), foreign = foreignList(job, b);
    const landmarks = changetype<usize>(blockAt(job.plan, row, 0)) + offsetof<Block>("landmark");
    const blockStep = <u32> offsetof<Block>(), foreigners = foreignCount(job, b);
    for (let g: u32 = 0; g < job.kvHeads; g++) {
      findPacked(job, b, g, packed);
      const keys = keyRow(job, job.k, b, 0, g), values = keyRow(job, job.v, b, 0, g);
      const foreignKeys = job.foreignKeys + ((g * job.dim) << 2);
      const foreignValues = job.foreignValues + ((g * job.dim) << 2);
      pack(part, parts, keys, step, slots, 4, counts.slots, job.dim, packed.keys, true);
      pack(part, parts, values, step, slots, 4, counts.slots, job.dim, packed.values, backward);
      pack(part, parts, keys, step, landmarks, blockStep, counts.blocks, job.dim, packed.landmarks, true);
      pack(part, parts, foreignKeys, step, foreign, 4, foreigners, job.dim, packed.foreignKeys, true);
      pack(
        part, parts, foreignValues, step, foreign, 4, foreigners, job.dim, packed.foreignValues, backward,
      );
      if (!backward) continue;
      pack(part, parts, keys, step, slots, 4, counts.slots, job.dim, packed.keyRows, false);
      pack(
        part, parts, keys, step, landmarks, blockStep, counts.blocks, job.dim, packed.landmarkRows, false,
      );
      pack(part, parts, foreignKeys, step, foreign, 4, foreigners, job.dim, packed.foreignKeyRows, false);
    }
  }
}

/**
 * This part's share of the rows, `step` bytes apart, that a list of i32, `listStep` bytes apart,
 * names: turned to panels, or as rows. Those numbered −1, and those that fill up eight, are zero.
 */
function pack(
  part: u32,
  parts: u32,
  rows: usize,
  step: u32,
  list: usize,
  listStep: u32,
  count: u32,
  dim: u32,
  out: usize,
  panels: bool,
): void {
  const eight = eights(count) >> 3, end = partStart(eight, part + 1, parts);
  for (let p = partStart(eight, part, parts); p < end; p++) {
    const from = list + p * (listStep << 3), to = out + p * (dim << 5);
    const left = min(count - (p << 3), 8);
    if (panels) packPanel(rows, step, from, listStep, left, dim, to);
    else packRows(rows, step, from, listStep, left, dim, to);
  }
}

function packPanel(
  rows: usize,
  step: u32,
  list: usize,
  listStep: u32,
  count: u32,
  dim: u32,
  panel: usize,
): void {
  for (let i: u32 = 0; i < 8; i++, list += listStep, panel += 4) {
    const row = i < count ? load<i32>(list) : -1;
    const from = rows + row * step;
    let to = panel;
    for (let d: u32 = 0; d < dim; d++, to += 32) {
      store<f32>(to, row < 0 ? 0 : load<f32>(from + (d << 2)));
    }
  }
}

function packRows(
  rows: usize,
  step: u32,
  list: usize,
  listStep: u32,
  count: u32,
  dim: u32,
  out: usize,
): void {
  const bytes = dim << 2;
  for (let i: u32 = 0; i < 8; i++, list += listStep, out += bytes) {
    const row = i < count ? load<i32>(list) : -1;
    if (row < 0) clear(out, out + bytes);
    else memory.copy(out, rows + row * step, bytes);
  }
}
