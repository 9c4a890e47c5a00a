import type { Reals } from "./tensors.ts";
import { distanceAt, keyAt, lookOf, type Relative, type Window } from "./window_attention.ts";

/** Where gradients are added, alike what they are the gradients of. */
export interface Gradients {
  readonly q: Reals;
  readonly k: Reals;
  readonly v: Reals;
  readonly relative: Relative | undefined;
}

/** The gradients of {@linkcode windowAttention}, from dOut [B, T, H, D], added. */
export function windowAttentionBackward(
  q: Reals,
  k: Reals,
  v: Reals,
  dOut: Reals,
  gradients: Gradients,
  window: Window,
): void {
  const [B, T, H, D] = q.shape;
  const S = k.shape[1];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t < T; t++) {
      for (let h = 0; h < H; h++) {
        const { first, weights } = lookOf(q, k, b, t, h, window);
        const query = ((b * T + t) * H + h) * D;
        const dWeights = weights.map((_, at) => {
          const value = keyAt(v, b, first + at, h, H);
          let sum = 0;
          for (let d = 0; d < D; d++) sum += dOut.data[query + d] * v.data[value + d];
          return sum;
        });
        // ds = A (dO·v − Δ), Δ = dO·O = Σ A dO·v
        const delta = dWeights.reduce((sum, dWeight, at) => sum + weights[at] * dWeight, 0);
        weights.forEach((weight, at) => {
          const key = keyAt(k, b, first + at, h, H);
          const ds = window.scale * weight * (dWeights[at] - delta);
          for (let d = 0; d < D; d++) {
            gradients.v.data[key + d] += weight * dOut.data[query + d];
            gradients.q.data[query + d] += ds * k.data[key + d];
            gradients.k.data[key + d] += ds * q.data[query + d];
          }
          backRelative(q, query, k, key, S - T + t - first - at, h, ds, gradients, window);
        });
      }
    }
  }
}

/** What ds, the gradient of q·k + u·k + (q + w)·r, says to all but q·k. */
function backRelative(
  q: Reals,
  query: number,
  k: Reals,
  key: number,
  distance: number,
  h: number,
  ds: number,
  gradients: Gradients,
  { relative }: Window,
): void {
  if (!relative || !gradients.relative) return;
  const D = q.shape[3];
  const r = distanceAt(relative.distances, distance, h);
  for (let d = 0; d < D; d++) {
    const at = h * D + d;
    gradients.k.data[key + d] += ds * relative.contentBias.data[at];
    gradients.q.data[query + d] += ds * relative.distances.data[r + d];
    gradients.relative.contentBias.data[at] += ds * k.data[key + d];
    gradients.relative.positionBias.data[at] += ds * relative.distances.data[r + d];
    gradients.relative.distances.data[r + d] += ds *
      (q.data[query + d] + relative.positionBias.data[at]);
  }
}
