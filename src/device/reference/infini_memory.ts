/** What reading and writing a memory [D, D + 1] is made of; see ../infini.ts. */

import type { Reals } from "./tensors.ts";

/** φ(x) = ELU(x) + 1. */
export function features(x: Float64Array): Float64Array {
  return x.map((x) => x > 0 ? x + 1 : Math.exp(x));
}

/** φ′ at the x that has these features. */
export function featureSlopes(features: Float64Array): Float64Array {
  return features.map((a) => Math.min(a, 1));
}

/** What a memory gives to one row of features. */
export interface Retrieval {
  /** a·M / max(a·z, epsilon), [D]. */
  readonly values: Float64Array;
  readonly divisor: number;
  /** Whether the divisor is epsilon, and so constant. */
  readonly held: boolean;
}

/** a [D], memory [D, D + 1]. */
export function retrieve(a: Float64Array, memory: Float64Array, epsilon: number): Retrieval {
  const D = a.length;
  const sums = new Float64Array(D + 1);
  for (let i = 0; i < D; i++) {
    for (let j = 0; j <= D; j++) sums[j] += a[i] * memory[i * (D + 1) + j];
  }
  const divisor = Math.max(sums[D], epsilon);
  const values = sums.subarray(0, D).map((x) => x / divisor);
  return { values, divisor, held: sums[D] <= epsilon };
}

/** Adds to dMemory [D, D + 1], and returns the gradient of a [D], from that of the values [D]. */
export function retrieveBackward(
  a: Float64Array,
  memory: Float64Array,
  { values, divisor, held }: Retrieval,
  dValues: Float64Array,
  dMemory: Float64Array,
): Float64Array {
  const D = a.length;
  const dSums = new Float64Array(D + 1);
  for (let j = 0; j < D; j++) {
    dSums[j] = dValues[j] / divisor;
    if (!held) dSums[D] -= dValues[j] * values[j] / divisor;
  }
  const dA = new Float64Array(D);
  for (let i = 0; i < D; i++) {
    for (let j = 0; j <= D; j++) {
      dA[i] += dSums[j] * memory[i * (D + 1) + j];
      dMemory[i * (D + 1) + j] += a[i] * dSums[j];
    }
  }
  return dA;
}

/** What a row of features b stores: v, or with the delta rule what the memory lacks of it. */
export function stored(
  b: Float64Array,
  v: Float64Array,
  memory: Float64Array,
  { delta, epsilon }: { delta: boolean; epsilon: number },
): Float64Array {
  if (!delta) return v;
  const { values } = retrieve(b, memory, epsilon);
  return v.map((x, j) => x - values[j]);
}

/** memory [D, D + 1] += bᵀ · [u, 1]. */
export function addBinding(b: Float64Array, u: Float64Array, memory: Float64Array): void {
  const D = b.length;
  for (let i = 0; i < D; i++) {
    for (let j = 0; j < D; j++) memory[i * (D + 1) + j] += b[i] * u[j];
    memory[i * (D + 1) + D] += b[i];
  }
}

/** σ(x). */
export function sigmoid(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** Row `row` of x, whose last axis is D. */
export function rowOf(x: Reals, row: number): Float64Array {
  const D = x.shape[x.shape.length - 1];
  return x.data.subarray(row * D, (row + 1) * D);
}

/** Memory `index` of x [.., D, D + 1]. */
export function memoryOf(x: Reals, index: number): Float64Array {
  const [D, E] = x.shape.slice(-2);
  return x.data.subarray(index * D * E, (index + 1) * D * E);
}
