// landmark_job: one call of landmark attention, as the launcher writes it down, and the records of
// the tiles that it is cut into. Addresses in bytes, counts in elements, every field four bytes.

import { Plan } from "./block_plan";
import { PACKED_ROWS } from "./packed_tile";

/** Queries a tile holds: what is loaded of keys and values serves them all. */
export const TILE: u32 = 50;
/** Queries the micro-kernels take at once. */
export const GROUP: u32 = PACKED_ROWS;

@unmanaged
export class Job {
  /** B, T, S, H, G, D. */
  batch: u32;
  queries: u32;
  keys: u32;
  heads: u32;
  kvHeads: u32;
  dim: u32;
  scale: f32;
  /** q, out [B, T, H, D], k, v [B, S, G, D], top [B, T, H] (0: nobody asks for it). */
  q: usize;
  k: usize;
  v: usize;
  out: usize;
  top: usize;
  plan: Plan;
  /** Foreign: keys, values [N, G, D]; i32 [B, n] which entries a row sees, i32 [B] how many. */
  foreignKeys: usize;
  foreignValues: usize;
  foreignLists: usize;
  foreignCounts: usize;
  foreignRoom: u32;
  /** Added to their scores. */
  foreignBias: f32;
  /** Chosen blocks: pool [N, 2, M, D], entries and slots i32 [T|1, H, K], queries [T, Z, H, D]. */
  pool: usize;
  entries: usize;
  slots: usize;
  slotQueries: usize;
  chosen: u32;
  sets: u32;
  slotCount: u32;
  blockSize: u32;
  /** Keys and values as micro-kernels want them, and bytes of one batch row and head. */
  packed: usize;
  packedBytes: u32;
  /** A work area for each thread. */
  work: usize;
  workBytes: u32;
  /** Backward: what is given, where gradients are added, and private sums before they are. */
  dOut: usize;
  dQ: usize;
  dK: usize;
  dV: usize;
  dForeignKeys: usize;
  dForeignValues: usize;
  sums: usize;
  sumsBytes: u32;
  /** Shares that the tiles of one row and head are dealt into, each with its own sums. */
  shares: u32;
}

/** The next multiple of eight. */

@inline
export function eights(count: u32): u32 {
  return (count + 7) & ~7;
}

/** A batch row's row in the plan. */

@inline
export function planRowOf(job: Job, b: u32): u32 {
  return job.plan.rows == 1 ? 0 : b;
}

/** The key/value head that a head reads. */

@inline
export function kvHeadOf(job: Job, h: u32): u32 {
  return h / (job.heads / job.kvHeads);
}

/** Where the row of x [B, T, H, D] for one query and head lies. */

@inline
export function queryRow(job: Job, x: usize, b: u32, t: u32, h: u32): usize {
  return x + ((((b * job.queries + t) * job.heads + h) * job.dim) << 2);
}

/** Where the row of x [B, S, G, D] for one key and head lies. */

@inline
export function keyRow(job: Job, x: usize, b: u32, key: u32, g: u32): usize {
  return x + ((((b * job.keys + key) * job.kvHeads + g) * job.dim) << 2);
}

@inline
export function foreignCount(job: Job, b: u32): u32 {
  return job.foreignRoom ? load<u32>(job.foreignCounts + (b << 2)) : 0;
}

/** The pool entries a batch row sees, i32. */

@inline
export function foreignList(job: Job, b: u32): usize {
  return job.foreignLists + ((b * job.foreignRoom) << 2);
}
