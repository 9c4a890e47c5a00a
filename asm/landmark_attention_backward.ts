// landmark_attention_backward: gradients of landmark_attention, in closed form, fused.
//
//   q, out, dOut, dQ   f32 [B, T, H, D]   in, in, in, added to
//   k, v, dK, dV       f32 [B, S, G, D]   in, added to (by addLandmarkGradients, afterwards)
//   top                f32 [B, T, H]      in
//
// A tile of queries walks over the chunks once; weights are computed anew from `top`. With dO the
// gradient of the output O, Δ = dO·O, γ a block's gate, π its inner probabilities, V̄ = Σ π·v:
//
//   token of the own block, foreign block   ds = A (dO·v − Δ)
//   token of an earlier block               ds = γ π (dO·v − dO·V̄)
//   its landmark                            ds = γ (dO·V̄ − Δ)
//
// and dV = Aᵀ·dO, dQ = ds·K, dK = dsᵀ·Q.

import { BackTile, beginTile, deltaOf, layTile, sightOf, topOf } from "./back_tile";
import { BLIND, blockAt, CHUNK, Chunk, chunkAt, countsOf, Sight } from "./block_plan";
import { addValues, scorePanels, timesTurned } from "./group_products";
import { eights, foreignCount, GROUP, Job, kvHeadOf, planRowOf, queryRow } from "./landmark_job";
import { findPacked } from "./landmark_pack";
import { findSums } from "./landmark_sums";
import { addScaled, blockGradients, topGradients } from "./row_gradients";
import { clear } from "./row_softmax";
import { shareOf } from "./thread";

/** Adds to dQ, and fills the sums of every share. */
export function landmarkAttentionBackward(part: u32, parts: u32, job: Job): void {
  const tile = layTile(job, shareOf(job.work, job.workBytes));
  const tasks = job.batch * job.heads * job.shares;
  for (let task = part; task < tasks; task += parts) {
    const share = task % job.shares, b = task / job.shares / job.heads;
    tile.b = b;
    tile.h = task / job.shares % job.heads;
    tile.planRow = planRowOf(job, b);
    findPacked(job, b, kvHeadOf(job, tile.h), tile.packed);
    findSums(job, b, tile.h, share, tile.sums);
    clear(tile.sums.keys, tile.sums.end);
    const step = job.shares * tile.room;
    for (let t = share * tile.room; t < job.queries; t += step) backTile(job, tile, t);
  }
}

function backTile(job: Job, tile: BackTile, t: u32): void {
  beginTile(job, tile, t);
  gatesOf(job, tile);
  walkForeign(job, tile);
  const chunks = countsOf(job.plan, tile.planRow).chunks;
  for (let c: u32 = 0; c < chunks; c++) backChunk(job, tile, chunkAt(job.plan, tile.planRow, c));
  backGates(job, tile);
  const step = (job.heads * job.dim) << 2;
  let dQ = queryRow(job, job.dQ, tile.b, t, tile.h);
  for (let r: u32 = 0; r < tile.count; r++, dQ += step) {
    addScaled(tile.dQ + r * tile.row, job.dim, job.scale, dQ);
  }
}

/** The gates that each query sees, from their logits and `top`. */
function gatesOf(job: Job, tile: BackTile): void {
  const first = firstBlock(job, tile) & ~7, panels = (eights(endBlock(job, tile)) - first) >> 3;
  const landmarks = tile.packed.landmarks + first * tile.row;
  for (let r: u32 = 0; r < tile.count; r += GROUP) {
    const gates = tile.gates + r * tile.gatesRow + (first << 2);
    scorePanels(job.dim, tile.turnedQ + r * tile.row, landmarks, panels, gates, tile.gatesRow);
  }
  for (let r: u32 = 0; r < tile.count; r++) {
    const sight = sightOf(job, tile, r);
    if (sight.ownStart == BLIND) continue;
    const from = r * tile.gatesRow + (sight.firstBlock << 2);
    const count = sight.endBlock - sight.firstBlock;
    // Only the weights are wanted: what it makes of dGates, zeros, is overwritten or zero.
    topGradients(tile.gates + from, tile.dGates + from, count, topOf(tile, r), 0);
  }
}

/** The blocks that any query of the tile sees. */
function firstBlock(job: Job, tile: BackTile): u32 {
  let first: u32 = BLIND;
  for (let r: u32 = 0; r < tile.count; r++) {
    const sight = sightOf(job, tile, r);
    if (sight.ownStart != BLIND) first = min(first, sight.firstBlock);
  }
  return first == BLIND ? 0 : first;
}

function endBlock(job: Job, tile: BackTile): u32 {
  let end: u32 = 0;
  for (let r: u32 = 0; r < tile.count; r++) {
    const sight = sightOf(job, tile, r);
    if (sight.ownStart != BLIND) end = max(end, sight.endBlock);
  }
  return end;
}

/** Foreign blocks, as many at a time as a chunk has slots. */
function walkForeign(job: Job, tile: BackTile): void {
  const foreign = foreignCount(job, tile.b), packed = tile.packed, sums = tile.sums;
  for (let at: u32 = 0; at < foreign; at += CHUNK) {
    const count = min(CHUNK, foreign - at), from = at * tile.row;
    for (let r: u32 = 0; r < tile.count; r += GROUP) {
      logits(job, tile, r, packed.foreignKeys + from, packed.foreignValues + from, count);
    }
    for (let r: u32 = 0; r < tile.count; r++) {
      const weights = tile.weights + r * tile.weightsRow, dx = tile.dx + r * tile.weightsRow;
      if (sightOf(job, tile, r).ownStart != BLIND) {
        // exp(s + bias − top)
        topGradients(weights, dx, count, topOf(tile, r) - job.foreignBias, deltaOf(tile, r));
      } else {
        clear(weights, weights + (count << 2));
        clear(dx, dx + (count << 2));
      }
    }
    addProducts(
      job,
      tile,
      0,
      tile.count,
      count,
      packed.foreignKeyRows + from,
      sums.foreignKeys + from,
      sums.foreignValues + from,
    );
  }
}

/** One chunk, by those groups of queries from the first to the last that see any of it. */
function backChunk(job: Job, tile: BackTile, chunk: Chunk): void {
  let begin = tile.count, end: u32 = 0;
  for (let r: u32 = 0; r < tile.count; r++) {
    if (!sees(sightOf(job, tile, r), chunk)) continue;
    begin = min(begin, r / GROUP * GROUP);
    end = min(tile.count, (r / GROUP + 1) * GROUP);
  }
  if (begin >= end) return;
  const from = chunk.start * tile.row, count = chunk.end - chunk.start;
  for (let r = begin; r < end; r += GROUP) {
    logits(job, tile, r, tile.packed.keys + from, tile.packed.values + from, count);
  }
  for (let r = begin; r < end; r++) backRow(job, tile, chunk, r);
  addProducts(
    job,
    tile,
    begin,
    end,
    count,
    tile.packed.keyRows + from,
    tile.sums.keys + from,
    tile.sums.values + from,
  );
}

function sees(sight: Sight, chunk: Chunk): bool {
  if (sight.ownStart == BLIND) return false;
  if (max(sight.firstBlock, chunk.firstBlock) < min(sight.endBlock, chunk.endBlock)) return true;
  return max(sight.ownStart, chunk.start) < min(sight.ownEnd, chunk.end);
}

/** weights = q · keys and dx = dOut · values, of a group of queries and panels of eight. */
function logits(job: Job, tile: BackTile, r: u32, keys: usize, values: usize, count: u32): void {
  const panels = eights(count) >> 3;
  const q = tile.turnedQ + r * tile.row, dOut = tile.turnedDOut + r * tile.row;
  const at = r * tile.weightsRow;
  scorePanels(job.dim, q, keys, panels, tile.weights + at, tile.weightsRow);
  scorePanels(job.dim, dOut, values, panels, tile.dx + at, tile.weightsRow);
}

/** Logits of a chunk to weights and gradients: of earlier blocks, then of the query's own. */
function backRow(job: Job, tile: BackTile, chunk: Chunk, r: u32): void {
  const sight = sightOf(job, tile, r), delta = deltaOf(tile, r);
  const x = tile.weights + r * tile.weightsRow, dx = tile.dx + r * tile.weightsRow;
  const gates = r * tile.gatesRow, blind = sight.ownStart == BLIND;
  let done: u32 = 0;
  const end: u32 = blind ? 0 : min(sight.endBlock, chunk.endBlock);
  for (let n = max(sight.firstBlock, chunk.firstBlock); n < end; n++) {
    const block = blockAt(job.plan, tile.planRow, n), from = (block.start - chunk.start) << 2;
    const gate = load<f32>(tile.gates + gates + (n << 2));
    clear(x + done, x + from);
    clear(dx + done, dx + from);
    const mean = blockGradients(x + from, dx + from, block.end - block.start, gate);
    store<f32>(tile.dGates + gates + (n << 2), gate * (mean - delta));
    done = (block.end - chunk.start) << 2;
  }
  if (!blind && max(sight.ownStart, chunk.start) < min(sight.ownEnd, chunk.end)) {
    const from = (sight.ownStart - chunk.start) << 2;
    clear(x + done, x + from);
    clear(dx + done, dx + from);
    topGradients(x + from, dx + from, sight.ownEnd - sight.ownStart, topOf(tile, r), delta);
    done = (sight.ownEnd - chunk.start) << 2;
  }
  const bytes = (chunk.end - chunk.start) << 2;
  clear(x + done, x + bytes);
  clear(dx + done, dx + bytes);
}

/** dQ += dx · keys, dKeys += dxᵀ · q, dValues += weightsᵀ · dOut, over queries [begin, end). */
function addProducts(
  job: Job,
  tile: BackTile,
  begin: u32,
  end: u32,
  count: u32,
  keys: usize,
  dKeys: usize,
  dValues: usize,
): void {
  const dim = job.dim, row = tile.weightsRow, from = begin * tile.row, at = begin * row;
  timesTurned(count, end - begin, tile.weights + at, row, tile.dOut + from, dim, dValues, true);
  timesTurned(count, end - begin, tile.dx + at, row, tile.q + from, dim, dKeys, true);
  for (let r = begin; r < end; r += GROUP) {
    const dx = tile.dx + r * row;
    addValues(count, dx, row, tile.turned, keys, dim, tile.dQ + r * tile.row);
  }
}

/** What gradients of gates say to queries and to landmarks. */
function backGates(job: Job, tile: BackTile): void {
  const first = firstBlock(job, tile), end = endBlock(job, tile);
  if (first >= end) return;
  const dGates = tile.dGates + (first << 2), from = first * tile.row;
  timesTurned(
    end - first,
    tile.count,
    dGates,
    tile.gatesRow,
    tile.q,
    job.dim,
    tile.sums.landmarks + from,
    true,
  );
  for (let r: u32 = 0; r < tile.count; r += GROUP) {
    addValues(
      end - first,
      dGates + r * tile.gatesRow,
      tile.gatesRow,
      tile.turned,
      tile.packed.landmarkRows + from,
      job.dim,
      tile.dQ + r * tile.row,
    );
  }
}
