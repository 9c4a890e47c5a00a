// landmark_scores: how well every remembered block's landmark answers every query.
//
//   queries    f32 [T, Z, H, D]    in    as they are seen from slot 0 … K, Z = K + 1
//   segments   u32 [segments, 2]   in    address of f32 [P, G, D], and its first row among all
//   order      i32 [n]             in    the row of each block's landmark, oldest first
//   scores     f32 [T, H, n]       out   scale · query · landmark
//   rows       u32 [threads, RUN]  work  addresses of landmarks
//
// The last K blocks stand in slots 1 … K, all older ones in slot 0. Parts share the blocks. A
// landmark is read where it lies, once for every query and head of its group. A score is always
// summed in the same four lanes and in the same order, so that near ties never depend on how many
// queries are asked at once.

import { loadTail, madd, partStart, storeTail } from "./simd";
import { shareOf } from "./thread";
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
const RUN: u32 = 16;

/** Bytes of `rows` for each thread. */
export function landmarkScoresScratch(): u32 {
  return RUN << 2;
}

export function landmarkScores(part: u32, parts: u32, job: Scoring): void {
  const runs = (job.n + RUN - 1) / RUN, old = job.n >= job.z ? job.n - job.z + 1 : 0;
  const end = min(job.n, partStart(runs, part + 1, parts) * RUN);
  const rows = shareOf(job.rows, RUN << 2);
  for (let j = partStart(runs, part, parts) * RUN; j < end;) {
    // Recent blocks stand in a slot each.
    const count = j < old ? min(RUN, min(old, end) - j) : 1;
    const slot = j < old ? 0 : j + job.z - job.n;
    if (job.g > 1) touch(job, j, count, rows);
    for (let g: u32 = 0; g < job.g; g++) {
      for (let i: u32 = 0; i < count; i++) store<u32>(rows + (i << 2), landmarkRow(job, j + i, g));
      scoreRun(job, g, slot, rows, j, count);
    }
    j += count;
  }
}

/**
 * Reads a number of every cache line of some landmarks, all heads of each in a row: what the memory
 * brings by itself it brings in order, and twice as fast as head by head.
 */
function touch(job: Scoring, j: u32, count: u32, rows: usize): void {
  const bytes = (job.g * job.d) << 2;
  let sum: u32 = 0;
  for (let i: u32 = 0; i < count; i++) {
    const row = landmarkRow(job, j + i, 0);
    for (let at: u32 = 0; at < bytes; at += 64) sum |= load<u32>(row + at);
  }
  // Stored, or it would be left out.
  store<u32>(rows, sum);
}

/** Landmarks j … j + count − 1, which stand in one slot, by all queries of a group. */
function scoreRun(job: Scoring, g: u32, slot: u32, rows: usize, j: u32, count: u32): void {
  const group = job.h / job.g, queries = job.t * group, scale = f32x4.splat(job.scale);
  let t: u32 = 0, h = g * group;
  for (let i: u32 = 0; i < queries; i++) {
    const x = queryAt(job, t, slot, h), scores = scoreAt(job, t, h, j);
    if (++h == (g + 1) * group) h = g * group, t++;
    if (++i == queries) {
      scoreOne(job.d, x, rows, count, scale, scores);
    } else {
      const y = queryAt(job, t, slot, h);
      scoreTwo(job.d, x, y, rows, count, scale, scores, scoreAt(job, t, h, j));
      if (++h == (g + 1) * group) h = g * group, t++;
    }
  }
}

/** A query [D] by the landmarks whose addresses are listed. */
function scoreOne(dim: u32, x: usize, rows: usize, count: u32, scale: v128, scores: usize): void {
  const rest = dim & 3, whole = (dim - rest) << 2;
  for (let i: u32 = 0; i < count; i += 4, rows += 16, scores += 16) {
    const left = count - i - 1, a = rowAt(rows, 0, left), b = rowAt(rows, 1, left);
    const c = rowAt(rows, 2, left), d = rowAt(rows, 3, left);
    let xa = f32x4.splat(0), xb = xa, xc = xa, xd = xa;
    for (let at: u32 = 0; at < whole; at += 16) {
      const p = v128.load(x + at);
      xa = madd(p, v128.load(a + at), xa), xb = madd(p, v128.load(b + at), xb);
      xc = madd(p, v128.load(c + at), xc), xd = madd(p, v128.load(d + at), xd);
    }
    if (rest) {
      const p = loadTail(x + whole, rest);
      xa = madd(p, loadTail(a + whole, rest), xa), xb = madd(p, loadTail(b + whole, rest), xb);
      xc = madd(p, loadTail(c + whole, rest), xc), xd = madd(p, loadTail(d + whole, rest), xd);
    }
    storeFour(scores, f32x4.mul(scale, sumsOf(xa, xb, xc, xd)), left);
  }
}

/** Two queries at once, each to the bits of scoreOne. */
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
  const rest = dim & 3, whole = (dim - rest) << 2;
  for (let i: u32 = 0; i < count; i += 4, rows += 16, scoresX += 16, scoresY += 16) {
    const left = count - i - 1, a = rowAt(rows, 0, left), b = rowAt(rows, 1, left);
    const c = rowAt(rows, 2, left), d = rowAt(rows, 3, left);
    let xa = f32x4.splat(0), xb = xa, xc = xa, xd = xa, ya = xa, yb = xa, yc = xa, yd = xa;
    for (let at: u32 = 0; at < whole; at += 16) {
      const p = v128.load(x + at), q = v128.load(y + at);
      let z = v128.load(a + at);
      xa = madd(p, z, xa), ya = madd(q, z, ya), z = v128.load(b + at);
      xb = madd(p, z, xb), yb = madd(q, z, yb), z = v128.load(c + at);
      xc = madd(p, z, xc), yc = madd(q, z, yc), z = v128.load(d + at);
      xd = madd(p, z, xd), yd = madd(q, z, yd);
    }
    if (rest) {
      const p = loadTail(x + whole, rest), q = loadTail(y + whole, rest);
      let z = loadTail(a + whole, rest);
      xa = madd(p, z, xa), ya = madd(q, z, ya), z = loadTail(b + whole, rest);
      xb = madd(p, z, xb), yb = madd(q, z, yb), z = loadTail(c + whole, rest);
      xc = madd(p, z, xc), yc = madd(q, z, yc), z = loadTail(d + whole, rest);
      xd = madd(p, z, xd), yd = madd(q, z, yd);
    }
    storeFour(scoresX, f32x4.mul(scale, sumsOf(xa, xb, xc, xd)), left);
    storeFour(scoresY, f32x4.mul(scale, sumsOf(ya, yb, yc, yd)), left);
  }
}

/** The address at place i of a list; past its end the last one stands in. */
@inline
function rowAt(rows: usize, i: u32, left: u32): usize {
  return load<u32>(rows + (min(i, left) << 2));
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
