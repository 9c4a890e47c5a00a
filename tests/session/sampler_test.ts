import { deepEqual, equal, throws } from "node:assert/strict";
import {
  checkSampling,
  sample,
  type SampleOptions,
  seededUniform,
} from "../../src/session/sampler.ts";

const LOGITS = Float32Array.of(1, 3, -Infinity, 2, 3, 0);

/** How often each token is drawn. */
function shares(logits: Float32Array, options: SampleOptions, draws = 40_000): number[] {
  const uniform = seededUniform(5);
  const counts = new Array(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sample(logits, options, uniform)]++;
  return counts.map((count) => count / draws);
}

function softmax(logits: Float32Array, keep: (id: number) => boolean): number[] {
  const weights = Array.from(logits, (x, id) => keep(id) ? Math.exp(x) : 0);
  const total = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / total);
}

function assertShares(actual: number[], expected: number[], what: string) {
  // Five standard deviations of a share over 40 000 draws are at most 0.0125.
  actual.forEach((share, id) => {
    equal(Math.abs(share - expected[id]) < 0.0125, true, `${what}: ${actual} for ${expected}`);
    if (expected[id] === 0) equal(share, 0, what);
  });
}

Deno.test("sample() is greedy by default, and takes the lower id of equals", () => {
  equal(sample(LOGITS), 1);
  equal(sample(LOGITS, { forbidden: [1] }), 4);
  equal(sample(Float32Array.of(-5)), 0);
  deepEqual([...LOGITS], [1, 3, -Infinity, 2, 3, 0], "the logits stay as they were");
});

Deno.test("sample() draws from the model's distribution at temperature 1", () => {
  assertShares(shares(LOGITS, { temperature: 1 }), softmax(LOGITS, () => true), "all");
});

Deno.test("sample() sharpens and flattens by temperature", () => {
  for (const temperature of [0.5, 3]) {
    const expected = softmax(LOGITS.map((x) => x / temperature), () => true);
    assertShares(shares(LOGITS, { temperature }), expected, `temperature ${temperature}`);
  }
  equal(sample(LOGITS, { temperature: 1e-300 }, () => 0), 1);
  equal(sample(Float32Array.of(-3e38, 3e38), { temperature: 1 }, () => 0.5), 1);
});

Deno.test("sample() keeps the k likeliest, then the share p", () => {
  const cases: [SampleOptions, number[]][] = [
    [{ topK: 1 }, [1]],
    [{ topK: 3 }, [1, 3, 4]],
    [{ topK: 99 }, [0, 1, 3, 4, 5]],
    [{ topP: 0.3 }, [1]],
    [{ topP: 0.5 }, [1, 4]], // 1 and 4 hold 0.40 each, 3 holds 0.15
    [{ topP: 0.9 }, [1, 3, 4]],
    [{ topP: 1e-9 }, [1]],
    // Of the two that are left each holds a half.
    [{ topK: 2, topP: 0.51 }, [1, 4]],
    [{ topK: 2, topP: 0.49 }, [1]],
    [{ topK: 3, forbidden: [4, 17] }, [0, 1, 3]],
  ];
  for (const [options, kept] of cases) {
    const expected = softmax(LOGITS, (id) => kept.includes(id));
    assertShares(shares(LOGITS, { temperature: 1, ...options }), expected, JSON.stringify(options));
  }
});

Deno.test("sample() takes a token even if the uniform number is next to 1", () => {
  equal(sample(LOGITS, { temperature: 1 }, () => 1 - 2 ** -53), 5);
  equal(sample(LOGITS, { temperature: 1, forbidden: [5] }, () => 1 - 2 ** -53), 4);
  equal(sample(LOGITS, { temperature: 1 }, () => 0), 0);
});

Deno.test("sample() refuses options and logits that are none", () => {
  const wrong: [SampleOptions, string][] = [
    [{ temperature: -1 }, "temperature must be a number of at least 0: current value is -1"],
    [{ temperature: NaN }, "temperature must be a number of at least 0: current value is NaN"],
    [{ topK: 0 }, "topK must be an integer of at least 1, or Infinity: current value is 0"],
    [{ topK: 1.5 }, "topK must be an integer of at least 1, or Infinity: current value is 1.5"],
    [{ topP: 0 }, "topP must be in (0, 1]: current value is 0"],
    [{ topP: 1.1 }, "topP must be in (0, 1]: current value is 1.1"],
  ];
  for (const [options, problem] of wrong) {
    const error = { name: "RangeError", message: `Cannot sample as ${problem}` };
    throws(() => sample(LOGITS, options), error);
    throws(() => checkSampling(options), error);
  }
  throws(() => sample(Float32Array.of(0, NaN)), {
    name: "RangeError",
    message: "Cannot sample as logits must be numbers below infinity: logit 1 is NaN",
  });
  throws(() => sample(Float32Array.of(Infinity)), /logit 0 is Infinity/);
  for (const temperature of [0, 1]) {
    throws(() => sample(Float32Array.of(1, 2), { temperature, forbidden: [0, 1] }), /none is/);
    throws(() => sample(new Float32Array(0), { temperature }), /none is/);
  }
});

Deno.test("seededUniform() gives a seed the numbers that it always gave", () => {
  // Of a program apart, in Python, with xoshiro128** and splitmix32 written anew.
  const numbers = Array.from({ length: 4 }, seededUniform(7)).map((x) => x * 2 ** 32);
  deepEqual(numbers, [1004282400, 2200021487, 1928073449, 741806228]);
});

Deno.test("seededUniform() repeats itself, differs by seed, and is uniform", () => {
  const first = (seed: number) => Array.from({ length: 100 }, seededUniform(seed));
  deepEqual(first(1), first(1));
  equal(new Set([...first(0), ...first(1), ...first(2 ** 32 - 1)]).size, 300);
  const bins = new Array(10).fill(0);
  const uniform = seededUniform(42);
  for (let i = 0; i < 100_000; i++) bins[Math.floor(uniform() * 10)]++;
  // Chi-square with 9 degrees of freedom: above 33.7 once in 10 000.
  const chi = bins.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  equal(chi < 33.7, true, `${bins}`);
  for (const seed of [-1, 0.5, 2 ** 32, NaN]) throws(() => seededUniform(seed), RangeError);
});
