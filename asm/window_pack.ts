// window_pack: keys, values and distances, laid out for the micro-kernel. A panel is eight rows,
// turned: f32 [D, 8]. For each batch row and key/value head, then for each head:
//
//                          forward   backward
//   keys        [keys, D]  panels    panels
//   values      [keys, D]  rows      panels
//   keyRows     [keys, D]            rows
//   distances   [reach, D] panels    panels     from the furthest on
//   distanceRows                     rows
//
// Keys come from firstKey on; rows that fill up eights, and absent keys, are zero.

import { packPanel, packRows } from "./landmark_pack";
import { partStart } from "./simd";
import { distanceRoom, firstKey, keyRoom, windowKey, WindowJob, windowKvHead } from "./window_job";
import { shareOf } from "./thread";

/** Where the packed rows of one batch row and head lie. */
@unmanaged
export class PackedWindow {
  keys: usize;
  values: usize;
  keyRows: usize;
  distances: usize;
  distanceRows: usize;
}

export function findPackedWindow(job: WindowJob, b: u32, h: u32, packed: PackedWindow): void {
  const keys = (keyRoom(job) * job.dim) << 2, g = windowKvHead(job, h);
  packed.keys = job.packed + (b * job.kvHeads + g) * job.packedBytes;
  packed.values = packed.keys + keys;
  packed.keyRows = packed.values + keys;
  packed.distances = job.packed + job.batch * job.kvHeads * job.packedBytes +
    h * job.distanceBytes;
  packed.distanceRows = packed.distances + ((distanceRoom(job) * job.dim) << 2);
}

/** Bytes of keys and values of one batch row and head. */
export function packedWindowBytes(job: WindowJob): u32 {
  return ((job.dOut ? 3 : 2) * keyRoom(job) * job.dim) << 2;
}

/** Bytes of one head's distances. */
export function packedDistanceBytes(job: WindowJob): u32 {
  return ((job.dOut ? 2 : 1) * distanceRoom(job) * job.dim) << 2;
}

/** Packs this part's share. */
export function packWindow(part: u32, parts: u32, job: WindowJob): void {
  const packed = changetype<PackedWindow>(shareOf(job.work, job.workBytes));
  const group = job.heads / job.kvHeads, backward = job.dOut != 0;
  const keys = job.keys - firstKey(job), step = (job.kvHeads * job.dim) << 2;
  for (let b: u32 = 0; b < job.batch; b++) {
    for (let g: u32 = 0; g < job.kvHeads; g++) {
      findPackedWindow(job, b, g * group, packed);
      const k = windowKey(job, job.k, b, 0, g), v = windowKey(job, job.v, b, 0, g);
      pack(part, parts, job, k, step, job.lists, keys, packed.keys, true);
      pack(part, parts, job, v, step, job.lists, keys, packed.values, backward);
      if (backward) pack(part, parts, job, k, step, job.lists, keys, packed.keyRows, false);
    }
  }
  const list = job.lists + (keys << 2), distanceStep = (job.heads * job.dim) << 2;
  for (let h: u32 = 0; job.reach && h < job.heads; h++) {
    findPackedWindow(job, 0, h, packed);
    const r = job.distances + ((h * job.dim) << 2), count = job.reach;
    pack(part, parts, job, r, distanceStep, list, count, packed.distances, true);
    if (!backward) continue;
    pack(part, parts, job, r, distanceStep, list, count, packed.distanceRows, false);
  }
}

/** This part's share of the listed rows, turned to panels or as rows, eight at a time. */
function pack(
  part: u32,
  parts: u32,
  job: WindowJob,
  rows: usize,
  step: u32,
  list: usize,
  count: u32,
  out: usize,
  panels: bool,
): void {
  const eight = (count + 7) >> 3, end = partStart(eight, part + 1, parts);
  for (let p = partStart(eight, part, parts); p < end; p++) {
    const at = list + (p << 5), to = out + p * (job.dim << 5), left = min(count - (p << 3), 8);
    if (panels) packPanel(rows, step, at, 4, left, job.dim, to);
    else packRows(rows, step, at, 4, left, job.dim, to);
  }
}
