/** Inputs of Infini-attention for tests. */

import type { InfiniOptions, InfiniUpdate, Tensor } from "../../src/device/device.ts";
import { FROM_INITIAL, READS_NOTHING } from "../../src/device/infini.ts";
import type { Tolerance } from "../close.ts";
import type { Random } from "../random.ts";
import type { Stage } from "../stage.ts";

/** Lengths of the axes, and what tokens are which segment's. */
export interface InfiniCase {
  readonly name: string;
  readonly B: number;
  readonly T: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  /** For each batch row: first, end, kind. */
  readonly segments: readonly (readonly (readonly [number, number, number])[])[];
  readonly options: InfiniOptions;
}

/** What `infiniAttention` reads. */
export interface InfiniInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly local: Tensor;
  readonly gate: Tensor;
  readonly segments: Tensor;
  readonly initial: Tensor;
  readonly before: Tensor;
}

/** A row's tokens in segments of N, the first of which begins a row that nothing was before. */
export function inSegments(T: number, N: number): [number, number, number][] {
  return Array.from({ length: Math.ceil(T / N) }, (_, s) => {
    const kind = s === 0 ? FROM_INITIAL + READS_NOTHING : 0;
    return [s * N, Math.min(T, (s + 1) * N), kind];
  });
}

/** A memory [count, D, D + 1] as writing some tokens leaves it: what counts them is positive. */
export function writtenMemory(random: Random, count: number, D: number): Float64Array {
  const memory = random.normal(count * D * (D + 1));
  for (let at = D; at < memory.length; at += D + 1) memory[at] = 1 + Math.abs(memory[at]);
  return memory;
}

/** Segments that differ in all that they can: padding between them, empty ones, new documents. */
const IRREGULAR: InfiniCase["segments"] = [
  [[0, 5, 0], [5, 5, 0], [7, 20, 0], [20, 21, FROM_INITIAL + READS_NOTHING], [21, 40, 0]],
  [[0, 0, FROM_INITIAL], [0, 17, READS_NOTHING], [17, 30, FROM_INITIAL], [30, 33, 0], [0, 0, 0]],
];

const LONG: InfiniCase["segments"] = [
  [[0, 100, 0], [100, 696, 0], [697, 700, FROM_INITIAL]],
  [[0, 97, FROM_INITIAL + READS_NOTHING], [97, 193, 0], [193, 700, 0]],
];

/**
 * Shapes at, below and above what kernels take at once, in both updates; of few widths, as a GPU
 * compiles its kernels anew for each.
 */
export const INFINI_CASES: readonly InfiniCase[] = (["linear", "delta"] as const).flatMap(
  (update: InfiniUpdate) => {
    const options = { update };
    const one = (T: number, N: number) => [inSegments(T, N)];
    const cases: InfiniCase[] = [
      { name: "one token", B: 1, T: 1, H: 1, G: 1, D: 7, segments: [[[0, 1, 0]]], options },
      { name: "even segments", B: 1, T: 64, H: 2, G: 2, D: 24, segments: one(64, 16), options },
      { name: "ragged ones", B: 1, T: 130, H: 3, G: 1, D: 24, segments: one(130, 50), options },
      { name: "irregular ones", B: 2, T: 43, H: 4, G: 2, D: 40, segments: IRREGULAR, options },
      { name: "a wide head", B: 1, T: 37, H: 2, G: 1, D: 68, segments: one(37, 19), options },
      { name: "odd widths", B: 2, T: 43, H: 2, G: 2, D: 7, segments: IRREGULAR, options },
      { name: "long segments", B: 1, T: 700, H: 2, G: 1, D: 24, segments: one(700, 500), options },
      // Enough for two threads; of one memory they get half the columns each.
      { name: "many tokens", B: 1, T: 1000, H: 3, G: 1, D: 68, segments: one(1000, 420), options },
      { name: "four memories", B: 2, T: 700, H: 4, G: 2, D: 40, segments: LONG, options },
      {
        name: "divisors held",
        ...{ B: 2, T: 43, H: 2, G: 1, D: 7, segments: IRREGULAR },
        options: { update, epsilon: 12 },
      },
    ];
    return cases.map((each) => ({ ...each, name: `${update}, ${each.name}` }));
  },
);

/** The same inputs on every device. */
export function infiniInputs(
  { B, T, H, G, D, segments }: InfiniCase,
  { input, indices, random }: Stage,
): InfiniInputs {
  const S = segments[0].length;
  return {
    q: input([B, T, H, D]),
    k: input([B, T, G, D]),
    v: input([B, T, G, D]),
    local: input([B, T, H, D]),
    gate: input([H]),
    segments: indices([B, S, 3], segments.flat(2)),
    initial: input([G, D, D + 1], writtenMemory(random, G, D)),
    before: input([B, G, D, D + 1], writtenMemory(random, B * G, D)),
  };
}

/**
 * Memories are sums over all tokens: each addition rounds a sum of some √T off by 1e-7 of it, and
 * √T of these do not cancel.
 */
export function boundOf({ T }: { T: number }): Tolerance {
  return { atol: 2e-5 + 1e-7 * T, rtol: 2e-5 };
}
