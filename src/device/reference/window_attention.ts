import type { Reals } from "./tensors.ts";

/** Relative positions: distances [P, H, D], biases [H, D]. */
export interface Relative {
  readonly distances: Reals;
  readonly contentBias: Reals;
  readonly positionBias: Reals;
}

/** What decides which keys a query sees, and how it scores them. */
export interface Window {
  readonly window: number;
  readonly absent: number;
  readonly scale: number;
  readonly relative: Relative | undefined;
}

/** What one query makes of the keys `first` … `end` − 1 that it sees. */
export interface Look {
  readonly first: number;
  readonly end: number;
  /** [end − first], their sum is 1 unless there are none. */
  readonly weights: Float64Array;
  /** The log-sum-exp of the scores, −∞ of none. */
  readonly sum: number;
}

/**
 * q and out [B, T, H, D], k and v [B, S, G, D], sums [B, T, H]: every query's values, weighted by the
 * softmax of its scores; the query t stands at key S − T + t.
 */
export function windowAttention(
  q: Reals,
  k: Reals,
  v: Reals,
  out: Reals,
  sums: Reals,
  window: Window,
): void {
  const [B, T, H, D] = q.shape;
  out.data.fill(0);
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const row = (b * T + t) * H + h;
        const { first, weights, sum } = lookOf(q, k, b, t, h, window);
        sums.data[row] = sum;
        weights.forEach((weight, j) => {
          const value = keyAt(v, b, first + j, h, H);
          for (let d = 0; d < D; d++) out.data[row * D + d] += weight * v.data[value + d];
        });
      }
    }
  }
}

/** What query t of head h sees, and its weights. */
export function lookOf(q: Reals, k: Reals, b: number, t: number, h: number, window: Window): Look {
  const [, T, H, D] = q.shape;
  const S = k.shape[1];
  const i = S - T + t;
  const first = Math.max(window.absent, i - window.window + 1);
  const query = ((b * T + t) * H + h) * D;
  const scores = Float64Array.from({ length: Math.max(0, i + 1 - first) }, (_, at) => {
    const key = keyAt(k, b, first + at, h, H);
    let score = 0;
    for (let d = 0; d < D; d++) score += q.data[query + d] * k.data[key + d];
    return window.scale * (score + relativeScore(q, query, k, key, i - first - at, h, window));
  });
  const most = scores.reduce((a, b) => Math.max(a, b), -Infinity);
  const total = scores.reduce((sum, score) => sum + Math.exp(score - most), 0);
  return {
    ...{ first, end: first + scores.length },
    weights: scores.map((score) => Math.exp(score - most) / total),
    sum: total > 0 ? most + Math.log(total) : -Infinity,
  };
}

/** u·k + (q + w)·r of the distance; 0 without relative positions. */
function relativeScore(
  q: Reals,
  query: number,
  k: Reals,
  key: number,
  distance: number,
  h: number,
  { relative }: Window,
): number {
  if (!relative) return 0;
  const D = q.shape[3];
  const { contentBias, positionBias, distances } = relative;
  const r = distanceAt(distances, distance, h);
  let score = 0;
  for (let d = 0; d < D; d++) {
    score += contentBias.data[h * D + d] * k.data[key + d];
    score += (q.data[query + d] + positionBias.data[h * D + d]) * distances.data[r + d];
  }
  return score;
}

/** Where key j of x [B, S, G, D] is, as head h of H has it. */
export function keyAt({ shape: [, S, G, D] }: Reals, b: number, j: number, h: number, H: number) {
  return ((b * S + j) * G + Math.floor(h * G / H)) * D;
}

/** Where r of a distance is, in distances [P, H, D]: the last one stands for all further ones. */
export function distanceAt({ shape: [P, H, D] }: Reals, distance: number, h: number): number {
  return (Math.min(distance, P - 1) * H + h) * D;
}
