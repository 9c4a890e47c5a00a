import type { ReferenceBlocks } from "./blocks.ts";
import { groupedSoftmax, HIDDEN, type Sight, TOP } from "./grouped_softmax.ts";
import {
  entriesOf,
  type ForeignBlocks,
  landmarkSight,
  listOf,
  raiseForeign,
  scoresOf,
} from "./landmark_attention.ts";
import type { Indices, Reals } from "./tensors.ts";

/** Where gradients are added: q [B, T, H, D], k and v [B, S, G, D], pool keys and values [N, G, D]. */
export interface Gradients {
  readonly q: Reals;
  readonly k: Reals;
  readonly v: Reals;
  readonly foreign?: { readonly keys: Reals; readonly values: Reals } | undefined;
}

/** The gradients of {@linkcode landmarkAttention}, from dOut [B, T, H, D], added. */
export function landmarkAttentionBackward(
  q: Reals,
  k: Reals,
  v: Reals,
  blocks: ReferenceBlocks,
  dOut: Reals,
  gradients: Gradients,
  { scale, foreign }: { scale: number; foreign?: ForeignBlocks | undefined },
): void {
  const [B, T, H, D] = q.shape;
  const [, S, G] = k.shape;
  for (let b = 0; b < B; b++) {
    for (let g = 0; g < G; g++) {
      const keys = entriesOf(k, foreign?.keys, foreign?.index, b, g);
      const values = entriesOf(v, foreign?.values, foreign?.index, b, g);
      const dKeys = new Float64Array(keys.length);
      const dValues = new Float64Array(values.length);
      for (let t = 0; t < T; t++) {
        const sight = landmarkSight(blocks, b, S - T + t, foreign?.index);
        for (let h = g * H / G; h < (g + 1) * H / G; h++) {
          const at = ((b * T + t) * H + h) * D;
          const row = (x: Reals) => x.data.subarray(at, at + D);
          const dq = row(gradients.q);
          const scores = scoresOf(row(q), keys, sight.group, scale);
          raiseForeign(scores, S, foreign);
          backOneQuery(row(q), keys, values, scores, sight, scale, row(dOut), dq, dKeys, dValues);
        }
      }
      addEntries(dKeys, gradients.k, gradients.foreign?.keys, foreign?.index, b, g);
      addEntries(dValues, gradients.v, gradients.foreign?.values, foreign?.index, b, g);
    }
  }
}

/** query, dOut and dQuery [D], keys, values and their gradients [E, D], scores [E]. */
function backOneQuery(
  query: Float64Array,
  keys: Float64Array,
  values: Float64Array,
  scores: Float64Array,
  sight: Sight,
  scale: number,
  dOut: Float64Array,
  dQuery: Float64Array,
  dKeys: Float64Array,
  dValues: Float64Array,
): void {
  const D = query.length;
  const { inGroup, weight } = groupedSoftmax(scores, sight);
  const dOutV = scoresOf(dOut, values, sight.group, 1);
  const dScores = scoreGradients(inGroup, weight, dOutV, sight);
  for (let j = 0; j < dScores.length; j++) {
    if (sight.group[j] === HIDDEN) continue;
    for (let d = 0; d < D; d++) {
      dQuery[d] += scale * dScores[j] * keys[j * D + d];
      dKeys[j * D + d] += scale * dScores[j] * query[d];
      dValues[j * D + d] += weight[j] * dOut[d];
    }
  }
}

/**
 * ds [E] in closed form, from S, A and dO·v [E]. With Δ = dO·O, and for an earlier block its gate γ,
 * its inner probabilities π and its own output V̄ = Σ π·v:
 */
function scoreGradients(
  inGroup: Float64Array,
  weight: Float64Array,
  dOutV: Float64Array,
  { group, landmark }: Sight,
): Float64Array {
  const delta = weight.reduce((sum, a, j) => sum + a * dOutV[j], 0);
  const blockOutput = new Float64Array(landmark.length); // dO·V̄, by group
  for (let j = 0; j < group.length; j++) {
    if (group[j] > TOP) blockOutput[group[j]] += inGroup[j] * dOutV[j];
  }
  const ds = new Float64Array(group.length);
  for (let j = 0; j < group.length; j++) {
    if (group[j] === TOP) ds[j] = weight[j] * (dOutV[j] - delta); // A (dO·v − Δ)
    if (group[j] > TOP) ds[j] = weight[j] * (dOutV[j] - blockOutput[group[j]]); // γ π (dO·v − dO·V̄)
  }
  landmark.forEach((j, g) => {
    if (j >= 0) ds[j] = inGroup[j] * (blockOutput[g] - delta); // γ (dO·V̄ − Δ)
  });
  return ds;
}

/** Adds the gradients of one head's entries [E, D] to x [B, S, G, D] and to the pool [N, G, D]. */
function addEntries(
  entries: Float64Array,
  x: Reals,
  pool: Reals | undefined,
  index: Indices | undefined,
  b: number,
  g: number,
): void {
  const [, S, G, D] = x.shape;
  const give = (to: Reals, row: number, entry: number) => {
    for (let d = 0; d < D; d++) to.data[(row * G + g) * D + d] += entries[entry * D + d];
  };
  for (let j = 0; j < S; j++) give(x, b * S + j, j);
  if (index === undefined) return;
  listOf(index, b).forEach((row, e) => row >= 0 && give(pool!, row, S + e));
}
