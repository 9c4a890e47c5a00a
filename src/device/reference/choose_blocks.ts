import type { Granularity } from "../device.ts";
import type { Indices, Reals } from "./tensors.ts";

/**
 * The k best of scores [T, H, n], by time; ties go to the later block. `token`: chosen [T, H, k] by
 * logit; `chunk`: [1, H, k] by the maximum over t of the softmax over n; `heads`: [T, 1, k] by the
 * maximum over h of the same.
 */
export function chooseBlocks(scores: Reals, chosen: Indices, { by }: { by: Granularity }): void {
  const [T, H, n] = scores.shape;
  const k = chosen.shape[2];
  const row = (t: number, h: number) => scores.data.subarray((t * H + h) * n, (t * H + h + 1) * n);
  const all = (length: number) => Array.from({ length }, (_, i) => i);
  const sets: Float64Array[] = by === "token"
    ? all(T * H).map((i) => row(0, i))
    : by === "chunk"
    ? all(H).map((h) => largest(all(T).map((t) => softmax(row(t, h)))))
    : all(T).map((t) => largest(all(H).map((h) => softmax(row(t, h)))));
  sets.forEach((merits, i) => chosen.data.set(best(merits, k), i * k));
}

function best(merits: Float64Array, k: number): number[] {
  return Array.from(merits.keys())
    .sort((a, b) => merits[b] - merits[a] || b - a)
    .slice(0, k)
    .sort((a, b) => a - b);
}

function softmax(row: Float64Array): Float64Array {
  const most = row.reduce((a, b) => Math.max(a, b));
  const parts = row.map((x) => Math.exp(x - most));
  const sum = parts.reduce((a, b) => a + b);
  return parts.map((x) => x / sum);
}

function largest(rows: Float64Array[]): Float64Array {
  return rows[0].map((_, j) => rows.reduce((most, row) => Math.max(most, row[j]), -Infinity));
}
