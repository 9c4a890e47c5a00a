/** Logits to a token. */

/** A source of uniform numbers in [0, 1). */
export type Uniform = () => number;

/** Options of {@linkcode sample}. */
export interface SampleOptions {
  /** 0 takes the likeliest token; 1 leaves the model's distribution as it is. @default {0} */
  temperature?: number | undefined;
  /** Keep the k likeliest tokens only; Infinity keeps all. @default {Infinity} */
  topK?: number | undefined;
  /** Keep the fewest tokens that together have this probability; 1 keeps all. @default {1} */
  topP?: number | undefined;
  /** Ids that are never taken: the landmark, ids without text. @default {[]} */
  forbidden?: Iterable<number> | undefined;
}

/**
 * Takes a token: greedily, or at random among the likely ones. Temperature comes first, then the k
 * likeliest are kept, then of these the fewest that hold the share p; ties go to the lower id.
 *
 * @example Usage
 * ```ts
 * import { sample, seededUniform } from "./sampler.ts";
 * import { equal } from "node:assert/strict";
 *
 * const logits = Float32Array.of(0.1, 2, 1.5);
 * equal(sample(logits), 1);
 * equal(sample(logits, { temperature: 1, topK: 1 }, seededUniform(7)), 1);
 * ```
 *
 * @param logits f32 [V]; −∞ is a token that is never taken.
 * @param uniform Used once a token, unless the temperature is 0. Make it with `seededUniform`.
 * @returns The token's id.
 * @throws {RangeError} If an option is out of range, a logit is NaN or +∞, or no token is left.
 */
export function sample(
  logits: Float32Array,
  options: SampleOptions = {},
  uniform: Uniform = Math.random,
): number {
  const { temperature = 0, topK = Infinity, topP = 1, forbidden = [] } = options;
  checkSampling(options);
  const allowed = allowedLogits(logits, forbidden);
  if (temperature === 0) return likeliest(allowed);
  return draw(candidates(allowed, { temperature, topK, topP }), uniform());
}

/** Checks the options of {@linkcode sample}, for callers that start long work with them. */
export function checkSampling(options: SampleOptions): void {
  const { temperature = 0, topK = Infinity, topP = 1 } = options;
  const check = (name: string, value: number, fits: boolean, mustBe: string): void => {
    if (fits) return;
    throw new RangeError(`Cannot sample as ${name} must be ${mustBe}: current value is ${value}`);
  };
  const isFinite = Number.isFinite(temperature);
  check("temperature", temperature, isFinite && temperature >= 0, "a number of at least 0");
  const isCount = Number.isInteger(topK) && topK >= 1;
  check("topK", topK, isCount || topK === Infinity, "an integer of at least 1, or Infinity");
  check("topP", topP, topP > 0 && topP <= 1, "in (0, 1]");
}

function allowedLogits(logits: Float32Array, forbidden: Iterable<number>): Float32Array {
  for (let id = 0; id < logits.length; id++) {
    // NaN fails every comparison.
    if (!(logits[id] < Infinity)) {
      throw new RangeError(
        `Cannot sample as logits must be numbers below infinity: logit ${id} is ${logits[id]}`,
      );
    }
  }
  const allowed = logits.slice();
  for (const id of forbidden) allowed[id] = -Infinity;
  return allowed;
}

function likeliest(logits: Float32Array): number {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] > (best < 0 ? -Infinity : logits[best])) best = id;
  }
  if (best >= 0) return best;
  throw new RangeError(
    `Cannot sample as at least one of the ${logits.length} tokens must be allowed: none is`,
  );
}

/** Tokens that may be drawn, with weights that need not sum to 1. */
interface Candidates {
  readonly ids: ArrayLike<number>;
  readonly weights: Float64Array;
}

function candidates(
  logits: Float32Array,
  { temperature, topK, topP }: { temperature: number; topK: number; topP: number },
): Candidates {
  const best = logits[likeliest(logits)];
  // The best logit is taken off first, so that none overflows; a tiny temperature turns greedy.
  const weightOf = (id: number): number => Math.exp((logits[id] - best) / temperature);
  const all = Int32Array.from(logits.keys());
  if (topK >= logits.length && topP === 1) {
    return { ids: all, weights: Float64Array.from(all, weightOf) };
  }
  const ids = all.sort((a, b) => logits[b] - logits[a] || a - b).subarray(0, topK);
  const weights = Float64Array.from(ids, weightOf);
  const count = shareCount(weights, topP);
  return { ids: ids.subarray(0, count), weights: weights.subarray(0, count) };
}

/** How many of the falling weights hold the share p; at least one. */
function shareCount(weights: Float64Array, p: number): number {
  const wanted = p * sum(weights);
  let held = 0;
  for (let i = 0; i < weights.length; i++) {
    held += weights[i];
    if (held >= wanted) return i + 1;
  }
  return weights.length;
}

function draw({ ids, weights }: Candidates, uniform: number): number {
  let rest = uniform * sum(weights);
  let last = 0;
  for (let i = 0; i < weights.length; i++) {
    if (weights[i] === 0) continue;
    last = i;
    rest -= weights[i];
    if (rest < 0) break;
  }
  return ids[last]; // rounding may leave a rest: the last token that has a weight takes it
}

function sum(numbers: Float64Array): number {
  let total = 0;
  for (const x of numbers) total += x;
  return total;
}

/**
 * Uniform numbers that are the same for the same seed on every machine: xoshiro128** (Blackman &
 * Vigna, arXiv 1805.01407), its state filled from the seed by splitmix32.
 *
 * @param seed An integer in [0, 2³²).
 * @throws {RangeError} If the seed is none.
 */
export function seededUniform(seed: number): Uniform {
  if (!Number.isInteger(seed) || seed < 0 || seed >= 2 ** 32) {
    throw new RangeError(
      `Cannot seed the sampler as seed must be an integer in [0, 2^32): current value is ${seed}`,
    );
  }
  const state = new Uint32Array(4);
  for (let i = 0; i < 4; i++) {
    seed = (seed + 0x9e3779b9) >>> 0;
    let z = seed;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    state[i] = z ^ (z >>> 16);
  }
  return () => {
    const result = Math.imul(rotate(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 11);
    return result / 2 ** 32;
  };
}

function rotate(x: number, by: number): number {
  return (x << by) | (x >>> (32 - by));
}
