import type { ReferenceBlocks } from "./blocks.ts";
import { sightOf } from "./blocks.ts";
import { groupedSoftmax, HIDDEN, type Sight, TOP } from "./grouped_softmax.ts";
import type { Indices, Reals } from "./tensors.ts";

/** A pool of foreign blocks: keys and values [N, G, D], index [B, n], −1 for none. */
export interface ForeignBlocks {
  readonly keys: Reals;
  readonly values: Reals;
  readonly index: Indices;
  /** Added to their scores: the logarithm of how many blocks each stands for. */
  readonly bias: number;
}

/**
 * q and out [B, T, H, D], k and v [B, S, G, D], top [B, T, H]: every query's values, weighted by the
 * grouped softmax of scale · q·k over what it sees.
 */
export function landmarkAttention(
  q: Reals,
  k: Reals,
  v: Reals,
  blocks: ReferenceBlocks,
  out: Reals,
  top: Reals,
  { scale, foreign }: { scale: number; foreign?: ForeignBlocks | undefined },
): void {
  const [B, T, H, D] = q.shape;
  const [, S, G] = k.shape;
  out.data.fill(0);
  for (let b = 0; b < B; b++) {
    for (let g = 0; g < G; g++) {
      const keys = entriesOf(k, foreign?.keys, foreign?.index, b, g);
      const values = entriesOf(v, foreign?.values, foreign?.index, b, g);
      for (let t = 0; t < T; t++) {
        const sight = landmarkSight(blocks, b, S - T + t, foreign?.index);
        for (let h = g * H / G; h < (g + 1) * H / G; h++) {
          const row = (b * T + t) * H + h;
          const query = q.data.subarray(row * D, (row + 1) * D);
          const scores = scoresOf(query, keys, sight.group, scale);
          raiseForeign(scores, S, foreign);
          const weights = groupedSoftmax(scores, sight);
          top.data[row] = weights.top;
          addWeighted(values, weights.weight, out.data.subarray(row * D, (row + 1) * D));
        }
      }
    }
  }
}

/** The keys' sight, and every foreign block of the row in the top group of a query that exists. */
export function landmarkSight(
  blocks: ReferenceBlocks,
  b: number,
  i: number,
  index: Indices | undefined,
): Sight {
  const list = index === undefined ? [] : listOf(index, b);
  const sight = sightOf(blocks, b, i, list.length);
  list.forEach((entry, e) => {
    if (entry >= 0 && blocks.row[b].present[i]) sight.group[blocks.keys + e] = TOP;
  });
  return sight;
}

/** The pool entries in the list of batch row b. */
export function listOf(index: Indices, b: number): Int32Array {
  const n = index.shape[1];
  return index.data.subarray(b * n, (b + 1) * n);
}

/** One head's entries [E, D]: its keys (or values) of row b, then those of the foreign blocks. */
export function entriesOf(
  x: Reals,
  pool: Reals | undefined,
  index: Indices | undefined,
  b: number,
  g: number,
): Float64Array {
  const [, S, G, D] = x.shape;
  const list = index === undefined ? [] : listOf(index, b);
  const entries = new Float64Array((S + list.length) * D);
  const take = (from: Reals, row: number, entry: number) =>
    entries.set(from.data.subarray((row * G + g) * D, (row * G + g + 1) * D), entry * D);
  for (let j = 0; j < S; j++) take(x, b * S + j, j);
  list.forEach((row, e) => row >= 0 && take(pool!, row, S + e));
  return entries;
}

/** scores [E] = scale · query [D] · keys [E, D], where the query sees the entry. */
export function scoresOf(
  query: Float64Array,
  keys: Float64Array,
  group: Int32Array,
  scale: number,
): Float64Array {
  const D = query.length;
  const scores = new Float64Array(group.length);
  for (let j = 0; j < group.length; j++) {
    if (group[j] === HIDDEN) continue;
    let dot = 0;
    for (let d = 0; d < D; d++) dot += query[d] * keys[j * D + d];
    scores[j] = scale * dot;
  }
  return scores;
}

/** Adds what foreign blocks' scores are raised by: of scores [E], those behind S keys. */
export function raiseForeign(
  scores: Float64Array,
  S: number,
  foreign: ForeignBlocks | undefined,
): void {
  for (let j = S; j < scores.length; j++) scores[j] += foreign!.bias;
}

/** out [D] += Σ weight [E] · values [E, D]. */
export function addWeighted(values: Float64Array, weight: Float64Array, out: Float64Array): void {
  const D = out.length;
  for (let j = 0; j < weight.length; j++) {
    if (weight[j] === 0) continue;
    for (let d = 0; d < D; d++) out[d] += weight[j] * values[j * D + d];
  }
}
