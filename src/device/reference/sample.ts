import { isForbidden, type SampleOptions } from "../sampling.ts";
import type { Indices, Reals } from "./tensors.ts";

/** ids [T] = a token of each row of logits [T, V], or −1. */
export function sample(
  logits: Reals,
  forbidden: Indices,
  ids: Indices,
  options: SampleOptions,
): void {
  const [T, V] = logits.shape;
  for (let t = 0; t < T; t++) {
    const row = logits.data.subarray(t * V, (t + 1) * V);
    const mayBe = (id: number): boolean => !isForbidden(forbidden.data, id) && row[id] > -Infinity;
    const allowed = Array.from(row.keys()).filter(mayBe);
    const isSound = row.every((x) => x < Infinity);
    ids.data[t] = isSound && allowed.length > 0 ? take(row, allowed, options, t) : -1;
  }
}

function take(
  row: Float64Array,
  allowed: readonly number[],
  { temperature = 0, topK = Infinity, topP = 1, uniforms }: SampleOptions,
  t: number,
): number {
  const falling = allowed.toSorted((a, b) => row[b] - row[a] || a - b);
  if (temperature === 0) return falling[0];
  const weight = (id: number): number => Math.exp((row[id] - row[falling[0]]) / temperature);
  const total = (ids: readonly number[]): number => ids.reduce((sum, id) => sum + weight(id), 0);
  /** The first of these with which their sum is more than `most`, or as much if that is enough. */
  const reaches = (ids: readonly number[], most: number, isEnough: boolean): number => {
    let sum = 0;
    const at = ids.findIndex((id) => (sum += weight(id)) > most || (isEnough && sum === most));
    return at < 0 ? ids.length - 1 : at;
  };
  let kept = falling.slice(0, topK);
  if (topP < 1) kept = kept.slice(0, reaches(kept, topP * total(kept), true) + 1);
  if (topK >= row.length && topP === 1) kept = [...allowed];
  return kept[reaches(kept, uniforms[t] * total(kept), false)];
}
