import type { Indices, Reals } from "./tensors.ts";

/**
 * scores [T, H, n] = scale · queries [T, Z, H, D] at the block's slot · its landmark, oldest first.
 * landmarks: segments [P, G, D]; order [n]: the row of each block in their concatenation. The last
 * K = Z − 1 blocks stand in slots 1 … K, all older ones in slot 0.
 */
export function landmarkScores(
  queries: Reals,
  landmarks: readonly Reals[],
  order: Indices,
  scores: Reals,
  { scale }: { scale: number },
): void {
  const [T, Z, H, D] = queries.shape;
  const G = landmarks[0].shape[1];
  const n = order.data.length;
  const K = Z - 1;
  const rows = landmarks.flatMap(({ data, shape: [P] }) =>
    Array.from({ length: P }, (_, p) => data.subarray(p * G * D, (p + 1) * G * D))
  );
  for (let t = 0; t < T; t++) {
    for (let h = 0; h < H; h++) {
      const g = Math.floor(h / (H / G));
      for (let j = 0; j < n; j++) {
        const slot = Math.max(0, j - (n - K) + 1);
        const query = ((t * Z + slot) * H + h) * D;
        const landmark = rows[order.data[j]];
        let dot = 0;
        for (let d = 0; d < D; d++) dot += queries.data[query + d] * landmark[g * D + d];
        scores.data[(t * H + h) * n + j] = scale * dot;
      }
    }
  }
}
