// landmark_scores: how well every remembered block's landmark answers every query.
//
//   queries    f32 [T, Z, H, D]    in    as they are seen from slot 0 … K, Z = K + 1
//   segments   u32 [segments, 2]   in    address of f32 [P, G, D], and its first row among all
//   order      i32 [n]             in    the row of each block's landmark, oldest first
//   scores     f32 [T, H, n]       out   scale · query · landmark
//   rows       u32 [parts, RUN]    work  addresses of landmarks
//
// The last K blocks stand in slots 1 … K, all older ones in slot 0. Parts share the blocks. A
// landmark is read where it lies, once for every query and head of its group. A score is always
// summed in the same four lanes and in the same order, so that near ties never depend on how many
// queries are asked at once.

import { loadTail, madd, partStart, storeTail } from "./simd";
import { firstHalves, firstPairs, secondHalves, secondPairs } from "./tile";

/** One call; written by the launcher, four bytes a field. */
@unmanaged
class Scoring {
  queries: usize;
  segments: usize;
  order: usize;
  scores: usize;
  rows: usize;
  segmentCount: u32;
  t: u32;
  z: u32;
  h: u32;
  g: u32;
  d: u32;
  n: u32;
  scale: f32;
}

/** Landmarks that are taken at a time: they stay in the first cache while all queries pass. */
const RUN: u32 = 32;

export function landmarkScores(part: u32, parts: u32, job: Scoring): void {
  const runs = (job.n + RUN - 1) / RUN, old = job.n >= job.z ? job.n - job.z + 1 : 0;
  const end = min(job.n, partStart(runs, part + 1, parts) * RUN);
  const rows = job.rows + part * (RUN << 2);
  for (let j = partStart(runs, part, parts) * RUN; j < end;) {
    // Recent blocks stand in a slot each.
    const count = j < old ? min(RUN, min(old, end) - j) : 1;
    const slot = j < old ? 0 : j + job.z - job.n;
    for (let g: u32 = 0; g < job.g; g++) {
      for (let i: u32 = 0; i < count; i++) store<u32>(rows + (i << 2), landmarkRow(job, j + i, g));
      scoreRun(job, g, slot, rows, j, count);
    }
    j += count;
  }
}

/** Landmarks j … j + count − 1, which stand in one slot, by all queries of a group. */
function scoreRun(job: Scoring, g: u32, slot: u32, rows: usize, j: u32, count: u32): void {
  const group = job.h / job.g, queries = job.t * group;
  for (let i: u32 = 0; i < queries; i += 2) {
    // A query without a partner is its own.
    const next = min(i + 1, queries - 1);
    const t = i / group, u = next / group;
    const h = g * group + i % group, k = g * group + next % group;
    scoreTwo(
      job.d, queryAt(job, t, slot, h), queryAt(job, u, slot, k), rows, count,
      f32x4.splat(job.scale), scoreAt(job, t, h, j), scoreAt(job, u, k, j),
    );
  }
}

/** Two queries [D] by the landmarks whose addresses are listed. */
function scoreTwo(
  dim: u32,
  x: usize,
  y: usize,
  rows: usize,
  count: u32,
  scale: v128,
  scoresX: usize,
  scoresY: usize,
): void {
  for (let i: u32 = 0; i < count; i += 4, rows += 16, scoresX += 16, scoresY += 16) {
    // Past the end the last landmark stands in.
    const left = count - i - 1;
    const a = load<u32>(rows), b = load<u32>(rows + (min(1, left) << 2));
    const c = load<u32>(rows + (min(2, left) << 2)), d = load<u32>(rows + (min(3, left) << 2));
    let xa = f32x4.splat(0), xb = xa, xc = xa, xd = xa, ya = xa, yb = xa, yc = xa, yd = xa;
    let at: usize = 0;
    for (const end = (dim & ~3) << 2; at < end; at += 16) {
      const p = v128.load(x + at), q = v128.load(y + at);
      let z = v128.load(a + at);
      xa = madd(p, z, xa), ya = madd(q, z, ya), z = v128.load(b + at);
      xb = madd(p, z, xb), yb = madd(q, z, yb), z = v128.load(c + at);
      xc = madd(p, z, xc), yc = madd(q, z, yc), z = v128.load(d + at);
      xd = madd(p, z, xd), yd = madd(q, z, yd);
    }
    if (dim & 3) {
      const p = loadTail(x + at, dim & 3), q = loadTail(y + at, dim & 3);
      let z = loadTail(a + at, dim & 3);
      xa = madd(p, z, xa), ya = madd(q, z, ya), z = loadTail(b + at, dim & 3);
      xb = madd(p, z, xb), yb = madd(q, z, yb), z = loadTail(c + at, dim & 3);
      xc = madd(p, z, xc), yc = madd(q, z, yc), z = loadTail(d + at, dim & 3);
      xd = madd(p, z, xd), yd = madd(q, z, yd);
    }
    storeFour(scoresX, f32x4.mul(scale, sumsOf(xa, xb, xc, xd)), left);
    storeFour(scoresY, f32x4.mul(scale, sumsOf(ya, yb, yc, yd)), left);
  }
}

/** The sum of the lanes of each. */
@inline
function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(firstHalves(a, b), secondHalves(a, b));
  const cd = f32x4.add(firstHalves(c, d), secondHalves(c, d));
  return f32x4.add(firstPairs(ab, cd), secondPairs(ab, cd));
}

/** Stores the first of four scores and up to three that are left. */
@inline
function storeFour(at: usize, x: v128, left: u32): void {
  if (left >= 3) v128.store(at, x);
  else storeTail(at, x, left + 1);
}

function queryAt(job: Scoring, t: u32, slot: u32, h: u32): usize {
  return job.queries + ((((t * job.z + slot) * job.h + h) * job.d) << 2);
}

function scoreAt(job: Scoring, t: u32, h: u32, j: u32): usize {
  return job.scores + (((t * job.h + h) * job.n + j) << 2);
}

/** Where the landmark of block j and key/value head g lies. */
function landmarkRow(job: Scoring, j: u32, g: u32): usize {
  const row = load<u32>(job.order + (j << 2));
  let low: u32 = 0, high = job.segmentCount;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (load<u32>(job.segments + (middle << 3), 4) <= row) low = middle;
    else high = middle;
  }
  const segment = job.segments + (low << 3);
  return load<u32>(segment) + ((((row - load<u32>(segment, 4)) * job.g + g) * job.d) << 2);
}
