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
import { shareOf } from "./thread";
import { firstHalves, firstPairs, secondHalves, secondPairs } from "./tile";

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

/** Rows to pack: i32 numbers, `step` bytes apart; −1 is none. */
@unmanaged
class List {
  at: usize;
  step: u32;
  count: u32;
}

/** What is packed of a batch row. */
@unmanaged
class Lists {
  slots: List;
  blocks: List;
  foreign: List;
}

/** Packs this part's share of every batch row and head. */
export function packLandmark(part: u32, parts: u32, job: Job): void {
  const work = shareOf(job.work, job.workBytes);
  const packed = changetype<Packed>(work), lists = changetype<Lists>(work + 64);
  lists.slots = changetype<List>(work + 80);
  lists.blocks = changetype<List>(work + 96);
  lists.foreign = changetype<List>(work + 112);
  for (let b: u32 = 0; b < job.batch; b++) {
    findLists(job, b, lists);
    for (let g: u32 = 0; g < job.kvHeads; g++) {
      findPacked(job, b, g, packed);
      packHead(part, parts, job, b, g, lists, packed);
    }
  }
}

function findLists(job: Job, b: u32, lists: Lists): void {
  const row = planRowOf(job, b), counts = countsOf(job.plan, row);
  setList(lists.slots, slotsOf(job.plan, row), 4, counts.slots);
  const landmarks = changetype<usize>(blockAt(job.plan, row, 0)) + offsetof<Block>("landmark");
  setList(lists.blocks, landmarks, offsetof<Block>(), counts.blocks);
  setList(lists.foreign, foreignList(job, b), 4, foreignCount(job, b));
}

function setList(list: List, at: usize, step: u32, count: u32): void {
  list.at = at;
  list.step = step;
  list.count = count;
}

function packHead(
  part: u32,
  parts: u32,
  job: Job,
  b: u32,
  g: u32,
  lists: Lists,
  packed: Packed,
): void {
  const backward = job.dOut != 0, head = (g * job.dim) << 2;
  const keys = keyRow(job, job.k, b, 0, g), values = keyRow(job, job.v, b, 0, g);
  const foreignKeys = job.foreignKeys + head, foreignValues = job.foreignValues + head;
  pack(part, parts, job, keys, lists.slots, packed.keys, true);
  pack(part, parts, job, values, lists.slots, packed.values, backward);
  pack(part, parts, job, keys, lists.blocks, packed.landmarks, true);
  pack(part, parts, job, foreignKeys, lists.foreign, packed.foreignKeys, true);
  pack(part, parts, job, foreignValues, lists.foreign, packed.foreignValues, backward);
  if (!backward) return;
  pack(part, parts, job, keys, lists.slots, packed.keyRows, false);
  pack(part, parts, job, keys, lists.blocks, packed.landmarkRows, false);
  pack(part, parts, job, foreignKeys, lists.foreign, packed.foreignKeyRows, false);
}

/** This part's share of the listed rows, turned to panels or as rows, eight at a time. */
function pack(
  part: u32,
  parts: u32,
  job: Job,
  rows: usize,
  list: List,
  out: usize,
  panels: bool,
): void {
  const eight = eights(list.count) >> 3, end = partStart(eight, part + 1, parts);
  const step = (job.kvHeads * job.dim) << 2;
  for (let p = partStart(eight, part, parts); p < end; p++) {
    const at = list.at + p * (list.step << 3), to = out + p * (job.dim << 5);
    const left = min(list.count - (p << 3), 8);
    if (panels) packPanel(rows, step, at, list.step, left, job.dim, to);
    else packRows(rows, step, at, list.step, left, job.dim, to);
  }
}

export function packPanel(
  rows: usize,
  step: u32,
  list: usize,
  listStep: u32,
  count: u32,
  dim: u32,
  panel: usize,
): void {
  packFour(rows, step, list, listStep, count, dim, panel);
  packFour(
    rows,
    step,
    list + (listStep << 2),
    listStep,
    count > 4 ? count - 4 : 0,
    dim,
    panel + 16,
  );
}

/** Four rows to a half of a panel; those behind the first `count` are zero. */
function packFour(
  rows: usize,
  step: u32,
  list: usize,
  listStep: u32,
  count: u32,
  dim: u32,
  panel: usize,
): void {
  const a = rowAt(list, 0, listStep, count), b = rowAt(list, 1, listStep, count);
  const c = rowAt(list, 2, listStep, count), d = rowAt(list, 3, listStep, count);
  // A row that is none: the first one's numbers, masked.
  const maskA = i32x4.splat(~(a >> 31)), maskB = i32x4.splat(~(b >> 31));
  const maskC = i32x4.splat(~(c >> 31)), maskD = i32x4.splat(~(d >> 31));
  const fromA = rows + max(a, 0) * step, fromB = rows + max(b, 0) * step;
  const fromC = rows + max(c, 0) * step, fromD = rows + max(d, 0) * step;
  for (let i: u32 = 0; i < dim; i += 4, panel += 128) {
    const at = i << 2;
    const xa = v128.and(v128.load(fromA + at), maskA), xb = v128.and(v128.load(fromB + at), maskB);
    const xc = v128.and(v128.load(fromC + at), maskC), xd = v128.and(v128.load(fromD + at), maskD);
    const ab = firstHalves(xa, xb), cd = firstHalves(xc, xd);
    v128.store(panel, firstPairs(ab, cd));
    if (i + 1 < dim) v128.store(panel, secondPairs(ab, cd), 32);
    const moreAb = secondHalves(xa, xb), moreCd = secondHalves(xc, xd);
    if (i + 2 < dim) v128.store(panel, firstPairs(moreAb, moreCd), 64);
    if (i + 3 < dim) v128.store(panel, secondPairs(moreAb, moreCd), 96);
  }
}

/** The number at place i of a list, −1 behind its end. */
@inline
function rowAt(list: usize, i: u32, listStep: u32, count: u32): i32 {
  return i < count ? load<i32>(list + i * listStep) : -1;
}

export function packRows(
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
