/** Logits to a token. */

import { checkSampling, type SamplingOptions, takeToken } from "../device/sampling.ts";

export { checkSampling } from "../device/sampling.ts";

/** A source of uniform numbers in [0, 1). */
export type Uniform = () => number;

/** Options of {@linkcode sample}. */
export interface SampleOptions extends SamplingOptions {
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
  checkSampling(options);
  const id = takeToken(allowedLogits(logits, options.forbidden ?? []), options, uniform);
  if (id >= 0) return id;
  throw new RangeError(
    `Cannot sample as at least one of the ${logits.length} tokens must be allowed: none is`,
  );
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

/**
 * Uniform numbers that are the same for the same seed on every machine: xoshiro128** (Blackman &
 * Vigna, arXiv 1805.01407), its state filled from the seed by splitmix32.
 *
 * Recipes are drawn by another generator, `random()` in train/data. They are not made one: then
 * either a seed would no longer give the text that it gave, or a recipe the model that it made.
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
