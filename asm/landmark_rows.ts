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
import { addRows, addWeighted, rowScores, turnedScores } from "./row_products";
import { clear, rowAdd, rowSoftmax, scaleInto, topSoftmax } from "./row_softmax";
import { partStart } from "./simd";
import { shareOf } from "./thread";

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
  const row = changetype<Row>(shareOf(job.work, job.workBytes));
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
  scaleInto(queryRow(job, job.q, row.b, row.t, row.h), dim, job.scale, row.q);
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
  rowAdd(row.scores, foreign, job.foreignBias);
  rowScores(row.q, dim, keys, step, ownList, 4, ownCount, own);

  const top = topSoftmax(
    row.scores,
    foreign,
    row.gates,
    job.chosen,
    gates,
    blockCount,
    own,
    ownCount,
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
    scaleInto(slotQuery(job, row.t, slot, row.h), job.dim, job.scale, row.q);
    const scores = row.pieces + ((r * size) << 2);
    turnedScores(row.q, job.dim, pieceKeys(job, entry), size, scores);
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
    addWeighted(scores, size - 1, pieceValues(job, entry), job.dim, row.out);
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
