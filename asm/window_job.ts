// window_job: one call of window_attention, as the launcher writes it down. Addresses in bytes,
// counts in elements, every field four bytes.

import { eights, GROUP, TILE } from "./landmark_job";

@unmanaged
export class WindowJob {
  /** B, T, S, H, G, D. */
  batch: u32;
  queries: u32;
  keys: u32;
  heads: u32;
  kvHeads: u32;
  dim: u32;
  scale: f32;
  /** A query sees so many keys, itself included; the first `absent` ones do not exist. */
  window: u32;
  absent: u32;
  /**
   * Rows of distances that any query needs, 0 without relative positions. Where there are fewer than
   * a query sees keys, the last one stands for all further keys.
   */
  reach: u32;
  /** q, out [B, T, H, D], k, v [B, S, G, D], sums [B, T, H]. */
  q: usize;
  k: usize;
  v: usize;
  out: usize;
  sums: usize;
  /** [P, H, D], [H, D], [H, D]. */
  distances: usize;
  contentBias: usize;
  positionBias: usize;
  /** Backward: what is given, and where gradients are added. */
  dOut: usize;
  dQ: usize;
  dK: usize;
  dV: usize;
  dDistances: usize;
  dContentBias: usize;
  dPositionBias: usize;
  /** Rows to pack: i32 [keys from firstKey on], then i32 [distances, from the furthest on]. */
  lists: usize;
  /** What micro-kernels read: bytes of one batch row and head, and of one head's distances. */
  packed: usize;
  packedBytes: u32;
  distanceBytes: u32;
  /** A work area for each thread. */
  work: usize;
  workBytes: u32;
  /** Sums of gradients that each share of the tiles of one row and head has for itself. */
  shareSums: usize;
  shareBytes: u32;
  shares: u32;
}

/** The first key that a query may see; behind its end where there is none. */

@inline
export function beginOf(job: WindowJob, t: u32): u32 {
  const end = endOf(job, t);
  return max(job.absent, end > job.window ? end - job.window : 0);
}

/** The key behind the last one that a query sees. */

@inline
export function endOf(job: WindowJob, t: u32): u32 {
  return job.keys - job.queries + t + 1;
}

/** Packing begins here: no query sees an earlier key. A multiple of eight. */

@inline
export function firstKey(job: WindowJob): u32 {
  return beginOf(job, 0) & ~7;
}

/** Rows that are packed of keys, and of distances. */

@inline
export function keyRoom(job: WindowJob): u32 {
  return eights(job.keys - firstKey(job));
}

@inline
export function distanceRoom(job: WindowJob): u32 {
  return eights(job.reach);
}

/**
 * Where in the packed distances, which come from the furthest on, that of query t and key j stands;
 * further keys have numbers below 0.
 */

@inline
export function distancePlace(job: WindowJob, t: u32, j: u32): i32 {
  return <i32> job.reach - <i32> (endOf(job, t) - j);
}

@inline
export function windowKvHead(job: WindowJob, h: u32): u32 {
  return h / (job.heads / job.kvHeads);
}

/** Where the row of x [B, T, H, D] for one query and head lies. */

@inline
export function windowQuery(job: WindowJob, x: usize, b: u32, t: u32, h: u32): usize {
  return x + ((((b * job.queries + t) * job.heads + h) * job.dim) << 2);
}

/** Where the row of x [B, S, G, D] for one key and head lies. */

@inline
export function windowKey(job: WindowJob, x: usize, b: u32, key: u32, g: u32): usize {
  return x + ((((b * job.keys + key) * job.kvHeads + g) * job.dim) << 2);
}

/** Where a query's number in sums [B, T, H] lies. */

@inline
export function windowSum(job: WindowJob, b: u32, t: u32, h: u32): usize {
  return job.sums + (((b * job.queries + t) * job.heads + h) << 2);
}

/** Columns of the scores of GROUP queries, and of the distances that they meet. */
export function scoreRoom(job: WindowJob): u32 {
  return min(keyRoom(job), eights(min(job.window, job.keys) + GROUP + 8));
}

/** Queries in a tile. */
export const WINDOW_TILE: u32 = TILE;
