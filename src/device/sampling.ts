/** How a token is taken from logits: what every device and the host share. */

import type { Tensor } from "./device.ts";
import { matchShapes } from "./shapes.ts";

/** How a token is taken: temperature first, then the k likeliest, then of these the share p. */
export interface SamplingOptions {
  /** 0 takes the likeliest token; 1 leaves the model's distribution as it is. @default {0} */
  temperature?: number | undefined;
  /** Keep the k likeliest tokens only; Infinity keeps all. @default {Infinity} */
  topK?: number | undefined;
  /** Keep the fewest tokens that together have this probability; 1 keeps all. @default {1} */
  topP?: number | undefined;
}

/** Options of {@linkcode Device.sample}. */
export interface SampleOptions extends SamplingOptions {
  /** [T], in [0, 1): which share of the weights stands before the token. Without temperature unused. */
  uniforms: readonly number[];
}

/** @throws {RangeError} If an option is out of range. */
export function checkSampling(options: SamplingOptions): void {
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

/** Checks a call of {@linkcode Device.sample}. @throws {RangeError} On shapes and options that do not fit. */
export function checkSample(
  tensors: { logits: Tensor; forbidden: Tensor; ids: Tensor },
  options: SampleOptions,
): { readonly T: number; readonly V: number } {
  const patterns = { logits: "f32 T V", forbidden: "i32 W", ids: "i32 T" } as const;
  const { T, V, W } = matchShapes("sample", patterns, tensors);
  if (W !== Math.ceil(V / 32)) {
    throw new RangeError(
      `Cannot run sample as forbidden must have a bit for each of ${V} tokens, ` +
        `i32 [${Math.ceil(V / 32)}]: current value is i32 [${W}]`,
    );
  }
  checkSampling(options);
  const { uniforms, temperature = 0 } = options;
  const isOne = (x: number): boolean => x >= 0 && x < 1;
  if (temperature !== 0 && !(uniforms.length === T && uniforms.every(isOne))) {
    throw new RangeError(
      `Cannot run sample as uniforms must be ${T} numbers in [0, 1): current value is [${uniforms}]`,
    );
  }
  return { T, V };
}

/** Ids as {@linkcode Device.sample} takes them: a bit each, i32 [⌈V/32⌉]. */
export function forbiddenBits(ids: Iterable<number>, vocab: number): Int32Array {
  const words = new Int32Array(Math.ceil(vocab / 32));
  for (const id of ids) if (id >= 0 && id < vocab) words[id >> 5] |= 1 << (id & 31);
  return words;
}

/** Whether an id's bit is set. */
export function isForbidden(words: Int32Array, id: number): boolean {
  return (words[id >> 5] >> (id & 31) & 1) === 1;
}

/**
 * Takes a token of logits [V], of which none is NaN or +∞; −∞ is a token that is never taken.
 *
 * @param uniform Asked once, unless the temperature is 0.
 * @returns Its id, or −1 if no token may be taken.
 */
export function takeToken(
  logits: Float32Array,
  { temperature = 0, topK = Infinity, topP = 1 }: SamplingOptions,
  uniform: () => number,
): number {
  const likeliest = likeliestOf(logits);
  if (likeliest < 0 || temperature === 0) return likeliest;
  const best = logits[likeliest];
  return draw(candidates(logits, best, { temperature, topK, topP }), uniform());
}

/** Of equals the lowest. */
function likeliestOf(logits: Float32Array): number {
  let best = -1;
  for (let id = 0; id < logits.length; id++) {
    if (logits[id] > (best < 0 ? -Infinity : logits[best])) best = id;
  }
  return best;
}

/** Tokens that may be drawn, with weights that need not sum to 1. */
interface Candidates {
  readonly ids: ArrayLike<number>;
  readonly weights: Float64Array;
}

function candidates(
  logits: Float32Array,
  best: number,
  { temperature, topK, topP }: Required<Record<keyof SamplingOptions, number>>,
): Candidates {
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
