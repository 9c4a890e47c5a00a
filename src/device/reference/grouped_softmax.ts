/**
 * The grouped softmax of landmark attention (Mohtashami & Jaggi, arXiv 2305.16300, section 3.2) for
 * one query over E entries: keys, foreign blocks, the tokens of remembered blocks.
 */

/** The group of an entry that the query cannot see. */
export const HIDDEN = -1;
/** The top group: the query's own block, the landmarks of earlier ones, foreign blocks. */
export const TOP = 0;

/** What one query sees. */
export interface Sight {
  /** [E]: HIDDEN, TOP, or the number of the earlier block whose private group it is in, from 1. */
  readonly group: Int32Array;
  /** The entry that is the landmark of each private group; by group, −1 where there is none. */
  readonly landmark: Int32Array;
}

/** What a query makes of the entries. */
export interface Weights {
  /** S [E]: the softmax inside each entry's group. */
  readonly inGroup: Float64Array;
  /** A [E]: what each entry's value is multiplied by. */
  readonly weight: Float64Array;
  /** The log-sum-exp of the top group, −∞ when it is empty. */
  readonly top: number;
}

/** S and A of the entries with these scaled scores [E]. */
export function groupedSoftmax(scores: Float64Array, { group, landmark }: Sight): Weights {
  const whole = logSumExpByGroup(scores, group, landmark.length);
  const inGroup = new Float64Array(scores.length);
  for (let j = 0; j < scores.length; j++) {
    if (group[j] !== HIDDEN) inGroup[j] = Math.exp(scores[j] - whole[group[j]]);
  }
  const weight = new Float64Array(scores.length);
  for (let j = 0; j < scores.length; j++) {
    const gate = group[j] > TOP ? inGroup[landmark[group[j]]] : 1;
    weight[j] = inGroup[j] * gate;
  }
  // A landmark's value is never used, only its key.
  for (const j of landmark) if (j >= 0) weight[j] = 0;
  return { inGroup, weight, top: whole[TOP] };
}

function logSumExpByGroup(
  scores: Float64Array,
  group: Int32Array,
  groups: number,
): Float64Array {
  const largest = new Float64Array(groups).fill(-Infinity);
  for (let j = 0; j < scores.length; j++) {
    if (group[j] !== HIDDEN) largest[group[j]] = Math.max(largest[group[j]], scores[j]);
  }
  const sum = new Float64Array(groups);
  for (let j = 0; j < scores.length; j++) {
    if (group[j] !== HIDDEN) sum[group[j]] += Math.exp(scores[j] - largest[group[j]]);
  }
  return largest.map((most, g) => sum[g] > 0 ? most + Math.log(sum[g]) : -Infinity);
}
