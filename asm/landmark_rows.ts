// landmark_rows: landmark attention for few queries, one by one, with keys and values where they
// lie; and for queries that chose blocks of the memory each for itself. Every sum is taken in the
// order of landmark_tile, so that a query gets the same bits alone and among many.
//
//   q        f32 [D]                    scaled
//   gates    f32 [chosen + blocks]      logits, then gates
//   scores   f32 [foreign + widest]     logits, then weights
//   pieces   f32 [chosen, M]            logits, then weights, of chosen blocks

import { BLIND, Block, blockAt, Sight, sightAt, slotsOf } from "./block_plan";
import {
  foreignCount,
  foreignList,
  Job,
  keyRow,
  kvHeadOf,
  planRowOf,
  queryRow,
} from "./landmark_job";
import { clear, rowScale, rowSoftmax, topSoftmax } from "./row_softmax";
import { madd, partStart, storeTail } from "./simd";
import { firstHalves, firstPairs, secondHalves, secondPairs } from "./tile";

/** A query and the work area it is answered in. */
@unmanaged
class Row {
  b: u32;
  h: u32;
  t: u32;
  g: u32;
  planRow: u32;
  q: usize;
  out: usize;
  gates: usize;
  pieces: usize;
  scores: usize;
}

/** Bytes of the work area. A vector may be written past the end of each part. */
export function rowBytes(job: Job): u32 {
  const plan = job.plan;
  return 64 + ((job.dim + job.chosen * (1 + job.blockSize) + plan.mostBlocks + job.foreignRoom +
    plan.widest + 16) << 2);
}

export function landmarkAttentionRows(part: u32, parts: u32, job: Job): void {
  const row = changetype<Row>(job.work + part * job.workBytes);
  row.q = changetype<usize>(row) + 64;
  row.gates = row.q + ((job.dim + 4) << 2);
  row.pieces = row.gates + ((job.chosen + job.plan.mostBlocks + 4) << 2);
  row.scores = row.pieces + ((job.chosen * job.blockSize + 4) << 2);
  const count = job.batch * job.queries * job.heads, end = partStart(count, part + 1, parts);
  for (let i = partStart(count, part, parts); i < end; i++) {
    row.h = i % job.heads;
    row.t = i / job.heads % job.queries;
    row.b = i / job.heads / job.queries;
    answer(job, row);
  }
}

function answer(job: Job, row: Row): void {
  const dim = job.dim;
  row.g = kvHeadOf(job, row.h);
  row.planRow = planRowOf(job, row.b);
  row.out = queryRow(job, job.out, row.b, row.t, row.h);
  clear(row.out, row.out + (dim << 2));
  const sight = sightAt(job.plan, row.planRow, job.keys - job.queries + row.t);
  const seen = sight.ownStart != BLIND;
  if (seen && job.chosen > 0) pieceScores(job, row);
  const top = seen ? topOf(job, row, sight) : <f32> -Infinity;
  if (job.top) {
    store<f32>(job.top + (((row.b * job.queries + row.t) * job.heads + row.h) << 2), top);
  }
  if (top == -Infinity) return;
  for (let n = sight.firstBlock; n < sight.endBlock; n++) readBlock(job, row, n, sight.firstBlock);
  if (job.chosen > 0) readPieces(job, row);
}

/** Softmax of the top group, and what it reads of foreign blocks and the query's own. */
function topOf(job: Job, row: Row, sight: Sight): f32 {
  const dim = job.dim, step = (job.kvHeads * dim) << 2, head = (row.g * dim) << 2;
  loadScaled(queryRow(job, job.q, row.b, row.t, row.h), dim, job.scale, row.q);
  const keys = keyRow(job, job.k, row.b, 0, row.g), values = keyRow(job, job.v, row.b, 0, row.g);
  const foreign = foreignCount(job, row.b), list = foreign ? foreignList(job, row.b) : 0;
  const ownList = slotsOf(job.plan, row.planRow) + (sight.ownStart << 2);
  const ownCount = sight.ownEnd - sight.ownStart;
  const own = row.scores + (foreign << 2), gates = row.gates + (job.chosen << 2);
  const blocks = changetype<usize>(blockAt(job.plan, row.planRow, sight.firstBlock)) +
    offsetof<Block>("landmark");

  const blockCount = sight.endBlock - sight.firstBlock;
  rowScores(row.q, dim, keys, step, blocks, offsetof<Block>(), blockCount, gates);
  rowScores(row.q, dim, job.foreignKeys + head, step, list, 4, foreign, row.scores);
  rowScores(row.q, dim, keys, step, ownList, 4, ownCount, own);

  const top = topSoftmax(
    row.scores, foreign, row.gates, job.chosen, gates, blockCount, own, ownCount,
  );
  // A landmark that is its document's first token sees nothing.
  if (top == -Infinity) return top;
  addRows(row.scores, job.foreignValues + head, step, list, foreign, dim, row.out);
  addRows(own, values, step, ownList, ownCount, dim, row.out);
  return top;
}

/** What the query reads in an earlier block. */
function readBlock(job: Job, row: Row, n: u32, firstBlock: u32): void {
  const step = (job.kvHeads * job.dim) << 2, block = blockAt(job.plan, row.planRow, n);
  const list = slotsOf(job.plan, row.planRow) + (block.start << 2), count = block.end - block.start;
  rowScores(row.q, job.dim, keyRow(job, job.k, row.b, 0, row.g), step, list, 4, count, row.scores);
  rowSoftmax(row.scores, count, load<f32>(row.gates + ((job.chosen + n - firstBlock) << 2)));
  addRows(row.scores, keyRow(job, job.v, row.b, 0, row.g), step, list, count, job.dim, row.out);
}

/** Logits of every chosen block, the last of each also that of its gate. */
function pieceScores(job: Job, row: Row): void {
  const size = job.blockSize;
  for (let r: u32 = 0; r < job.chosen; r++) {
    const place = chosenPlace(job, row.t, row.h, r);
    const slot = load<u32>(job.slots + place), entry = load<u32>(job.entries + place);
    loadScaled(slotQuery(job, row.t, slot, row.h), job.dim, job.scale, row.q);
    const scores = row.pieces + ((r * size) << 2);
    clear(scores, scores + (size << 2));
    rowTimes(row.q, job.dim, pieceKeys(job, entry), size, scores);
    store<f32>(row.gates + (r << 2), load<f32>(scores + ((size - 1) << 2)));
  }
}

/** What the query reads in its chosen blocks. A landmark's value is never used. */
function readPieces(job: Job, row: Row): void {
  const size = job.blockSize;
  for (let r: u32 = 0; r < job.chosen; r++) {
    const entry = load<u32>(job.entries + chosenPlace(job, row.t, row.h, r));
    const scores = row.pieces + ((r * size) << 2);
    rowSoftmax(scores, size - 1, load<f32>(row.gates + (r << 2)));
    rowTimes(scores, size - 1, pieceValues(job, entry), job.dim, row.out);
  }
}

/** Where the r-th choice of a query and head stands in entries and slots, in bytes. */
export function chosenPlace(job: Job, t: u32, h: u32, r: u32): usize {
  return (((job.sets == 1 ? 0 : t) * job.heads + h) * job.chosen + r) << 2;
}

/** A query as it is seen from a slot. */
export function slotQuery(job: Job, t: u32, slot: u32, h: u32): usize {
  return job.slotQueries + ((((t * job.slotCount + slot) * job.heads + h) * job.dim) << 2);
}

/** Keys of a pool entry, [D, M]. */
export function pieceKeys(job: Job, entry: u32): usize {
  return job.pool + ((entry * 2 * job.blockSize * job.dim) << 2);
}

/** Values of a pool entry, [M, D]. */
export function pieceValues(job: Job, entry: u32): usize {
  return job.pool + (((entry * 2 + 1) * job.blockSize * job.dim) << 2);
}

function loadScaled(from: usize, dim: u32, factor: f32, row: usize): void {
  memory.copy(row, from, dim << 2);
  rowScale(row, dim, factor);
}

/** scores [count] = q · the rows, `step` bytes apart, that a list of u32, `listStep` bytes apart, names. */
function rowScores(
  q: usize,
  dim: u32,
  rows: usize,
  step: u32,
  list: usize,
  listStep: u32,
  count: u32,
  scores: usize,
): void {
  for (let i: u32 = 0; i < count; i += 4, list += listStep << 2, scores += 16) {
    // Past the end the last row stands in.
    const left = count - i - 1;
    const a = rows + load<u32>(list) * step;
    const b = rows + load<u32>(list + min(1, left) * listStep) * step;
    const c = rows + load<u32>(list + min(2, left) * listStep) * step;
    const d = rows + load<u32>(list + min(3, left) * listStep) * step;
    const four = fourDots(q, dim, a, b, c, d);
    if (left >= 3) v128.store(scores, four);
    else storeTail(scores, four, left + 1);
  }
}

/** x · a, x · b, x · c, x · d of `dim` numbers each, every one a single chain of madd as in tile. */
function fourDots(x: usize, dim: u32, a: usize, b: usize, c: usize, d: usize): v128 {
  let sum = f32x4.splat(0);
  for (; dim >= 4; dim -= 4, x += 16, a += 16, b += 16, c += 16, d += 16) {
    sum = fourSteps(x, 4, v128.load(a), v128.load(b), v128.load(c), v128.load(d), sum);
  }
  if (dim == 0) return sum;
  return fourSteps(x, dim, v128.load(a), v128.load(b), v128.load(c), v128.load(d), sum);
}

/** The next steps, up to four, of four dot products. */
@inline
function fourSteps(x: usize, steps: u32, a: v128, b: v128, c: v128, d: v128, sum: v128): v128 {
  const ab = firstHalves(a, b), cd = firstHalves(c, d);
  sum = madd(v128.load32_splat(x), firstPairs(ab, cd), sum);
  if (steps == 1) return sum;
  sum = madd(v128.load32_splat(x, 4), secondPairs(ab, cd), sum);
  if (steps == 2) return sum;
  const moreAb = secondHalves(a, b), moreCd = secondHalves(c, d);
  sum = madd(v128.load32_splat(x, 8), firstPairs(moreAb, moreCd), sum);
  if (steps == 3) return sum;
  return madd(v128.load32_splat(x, 12), secondPairs(moreAb, moreCd), sum);
}

/** out [D] += Σ weights [count] · the rows, `step` bytes apart, that a list of u32 names. */
function addRows(
  weights: usize,
  rows: usize,
  step: u32,
  list: usize,
  count: u32,
  dim: u32,
  out: usize,
): void {
  for (; count >= 4; count -= 4, weights += 16, list += 16) {
    const a = rows + load<u32>(list) * step, b = rows + load<u32>(list, 4) * step;
    const c = rows + load<u32>(list, 8) * step, d = rows + load<u32>(list, 12) * step;
    addFour(weights, a, b, c, d, dim, out);
  }
  for (; count > 0; count--, weights += 4, list += 4) {
    addRow(v128.load32_splat(weights), rows + load<u32>(list) * step, dim, out);
  }
}

/** out [D] += four weighted rows. */
function addFour(weights: usize, a: usize, b: usize, c: usize, d: usize, dim: u32, out: usize): void {
  const wa = v128.load32_splat(weights), wb = v128.load32_splat(weights, 4);
  const wc = v128.load32_splat(weights, 8), wd = v128.load32_splat(weights, 12);
  for (; dim >= 4; dim -= 4, a += 16, b += 16, c += 16, d += 16, out += 16) {
    const ab = madd(wb, v128.load(b), madd(wa, v128.load(a), v128.load(out)));
    v128.store(out, madd(wd, v128.load(d), madd(wc, v128.load(c), ab)));
  }
  if (dim > 0) {
    const ab = madd(wb, v128.load(b), madd(wa, v128.load(a), v128.load(out)));
    storeTail(out, madd(wd, v128.load(d), madd(wc, v128.load(c), ab)), dim);
  }
}

/** out [D] += weight · row. */
function addRow(weight: v128, row: usize, dim: u32, out: usize): void {
  for (; dim >= 4; dim -= 4, row += 16, out += 16) {
    v128.store(out, madd(weight, v128.load(row), v128.load(out)));
  }
  if (dim > 0) storeTail(out, madd(weight, v128.load(row), v128.load(out)), dim);
}

/** out [n] += a [k] · b [k, n]. */
function rowTimes(a: usize, k: u32, b: usize, n: u32, out: usize): void {
  const row = n << 2;
  for (; n >= 32; n -= 32, b += 128, out += 128) times32(a, k, b, row, out);
  for (; n >= 4; n -= 4, b += 16, out += 16) v128.store(out, times4(a, k, b, row, v128.load(out)));
  if (n > 0) storeTail(out, times4(a, k, b, row, v128.load(out)), n);
}

/** Thirty-two columns of it. */
function times32(a: usize, k: u32, b: usize, row: u32, out: usize): void {
  let s0 = v128.load(out), s1 = v128.load(out, 16), s2 = v128.load(out, 32), s3 = v128.load(out, 48);
  let s4 = v128.load(out, 64), s5 = v128.load(out, 80), s6 = v128.load(out, 96);
  let s7 = v128.load(out, 112);
  for (; k > 0; k--, a += 4, b += row) {
    const x = v128.load32_splat(a);
    s0 = madd(x, v128.load(b), s0), s1 = madd(x, v128.load(b, 16), s1);
    s2 = madd(x, v128.load(b, 32), s2), s3 = madd(x, v128.load(b, 48), s3);
    s4 = madd(x, v128.load(b, 64), s4), s5 = madd(x, v128.load(b, 80), s5);
    s6 = madd(x, v128.load(b, 96), s6), s7 = madd(x, v128.load(b, 112), s7);
  }
  v128.store(out, s0), v128.store(out, s1, 16), v128.store(out, s2, 32), v128.store(out, s3, 48);
  v128.store(out, s4, 64), v128.store(out, s5, 80), v128.store(out, s6, 96), v128.store(out, s7, 112);
}

/** Four columns of it, added to a sum. */
function times4(a: usize, k: u32, b: usize, row: u32, sum: v128): v128 {
  for (; k > 0; k--, a += 4, b += row) sum = madd(v128.load32_splat(a), v128.load(b), sum);
  return sum;
}
