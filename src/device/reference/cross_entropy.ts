import type { Indices, Reals } from "./tensors.ts";

/** losses [T] = weights [T] · −log softmax(logits [T, V])[targets [T]]; target −1: 0. */
export function crossEntropy(
  logits: Reals,
  targets: Indices,
  weights: Reals,
  losses: Reals,
): void {
  const V = logits.shape[1];
  targets.data.forEach((target, t) => {
    const row = logits.data.subarray(t * V, (t + 1) * V);
    losses.data[t] = target < 0 ? 0 : weights.data[t] * (logSumExp(row) - row[target]);
  });
}

/** dLogits [T, V] += scale · weights · (softmax(logits) − onehot(target)); target −1: nothing. */
export function crossEntropyBackward(
  logits: Reals,
  targets: Indices,
  weights: Reals,
  dLogits: Reals,
  { scale }: { scale: number },
): void {
  const V = logits.shape[1];
  targets.data.forEach((target, t) => {
    if (target < 0) return;
    const row = logits.data.subarray(t * V, (t + 1) * V);
    const whole = logSumExp(row);
    for (let i = 0; i < V; i++) {
      const error = Math.exp(row[i] - whole) - (i === target ? 1 : 0);
      dLogits.data[t * V + i] += scale * weights.data[t] * error;
    }
  });
}

function logSumExp(row: Float64Array): number {
  const largest = row.reduce((a, b) => Math.max(a, b));
  return largest + Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0));
}
