import { equal, ok, throws } from "node:assert/strict";
import type { Device, SampleOptions } from "../../src/device/device.ts";
import { forbiddenBits } from "../../src/device/sampling.ts";
import { sample, type SampleOptions as HostOptions } from "../../src/session/sampler.ts";
import { EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";
import { type Random, randomFrom } from "../random.ts";

/** Weights of f32, and shares of 32 bits: what they leave open is below this part of the whole. */
const NEAR = 4e-6;

/** Takes a token of each row on a device. */
async function take(
  device: Device,
  rows: readonly ArrayLike<number>[],
  options: SampleOptions,
  forbidden: readonly number[] = [],
): Promise<number[]> {
  const [T, V] = [rows.length, rows[0].length];
  using logits = device.tensor([T, V], { data: rows.flatMap((row) => Array.from(row)) });
  const data = forbiddenBits(forbidden, V);
  using words = device.tensor([data.length], { dtype: "i32", data });
  using ids = device.tensor([T], { dtype: "i32" });
  device.sample(logits, words, ids, options);
  return Array.from(await device.read(ids));
}

/** What the host takes as the uniform number and the share p lie a little lower and higher. */
function hostChoices(row: Float32Array, options: HostOptions, uniform: number): Set<number> {
  const clamp = (x: number): number => Math.min(1 - 2 ** -32, Math.max(0, x));
  const { topP = 1, temperature = 0 } = options;
  if (temperature === 0) return new Set([sample(row, options)]);
  const shares = topP === 1 ? [1] : [topP, topP * (1 - NEAR), Math.min(1, topP * (1 + NEAR))];
  return new Set(
    shares.flatMap((topP) =>
      [uniform, uniform - NEAR, uniform + NEAR].map((u) =>
        sample(row, { ...options, topP }, () => clamp(u))
      )
    ),
  );
}

/** Logits with ties: of three, many are equal. */
function logitsOf(random: Random, V: number, ties: boolean): Float32Array {
  if (ties) return Float32Array.from(random.integers(V, -3, 3));
  return Float32Array.from(random.normal(V, 3));
}

const TEMPERATURES = [0, 1e-300, 0.05, 0.7, 1, 2.5, 1e30];

/** Compares a device with the host; returns how many draws rounding could not decide. */
async function compare(
  device: Device,
  random: Random,
  V: number,
  options: readonly HostOptions[],
): Promise<[near: number, count: number]> {
  let [near, count] = [0, 0];
  for (const [i, each] of options.entries()) {
    const all = [logitsOf(random, V, false), logitsOf(random, V, true)];
    const rows = V > 1000 ? [all[i % 2]] : all;
    const uniforms = rows.map((_, t) => i % 5 === t ? 0 : random.uniform());
    const forbidden = [...each.forbidden ?? []];
    const taken = await take(device, rows, { ...each, uniforms }, forbidden);
    for (const [t, row] of rows.entries()) {
      const choices = hostChoices(row, each, uniforms[t]);
      count++;
      if (choices.size > 1) near++;
      else {
        const what = JSON.stringify({ ...each, forbidden: forbidden.length, V, t, u: uniforms[t] });
        equal(taken[t], [...choices][0], `${what}, seed ${random.seed}`);
      }
    }
  }
  return [near, count];
}

for (const V of [1, 31, 260]) {
  testOnEach(`sample() takes what the host takes of ${V}`, async (device) => {
    const random = randomFrom(V);
    const options = (V < 260 ? [0, 1] : TEMPERATURES).flatMap((temperature) =>
      [1, 2, 40, Infinity].flatMap((topK) =>
        [1e-9, 0.4, 0.95, 1].map((topP) => {
          const forbidden = V < 3 ? [] : [...random.integers(topK === 2 ? V >> 1 : 2, 1, V - 1)];
          return { temperature, topK, topP, forbidden };
        })
      )
    );
    const [near, all] = await compare(device, random, V, options);
    ok(near < all / 10, `${near} of ${all} are near ties, seed ${V}`);
  });
}

for (const V of [49152, 151936]) {
  testOnEach(`sample() takes what the host takes of ${V}`, async (device) => {
    const random = randomFrom(V);
    const options = [
      { temperature: 0, forbidden: [3, V - 1] },
      { temperature: 0.3 },
      { temperature: 0.8, topK: 50, forbidden: [V - 1] },
      { temperature: 0.8, topP: 0.9 },
    ];
    const [near, all] = await compare(device, random, V, options);
    ok(near <= all / 4, `${near} of ${all} are near ties, seed ${V}`);
  }, ({ info }) => info.threads === 1);
}

testLikeReference("sample() writes its rows alone", ({ device, input, indices, output }) => {
  const uniforms = [0.1, 0.5, 0.9];
  device.sample(
    input([3, 70]),
    indices([3], [1, -1, 0]),
    output("ids", [3], "i32"),
    { temperature: 1, uniforms },
  );
}, EXACT);

testOnEach("sample() splits ties by id, and shares by what is held", async (device) => {
  const row = [1, 3, -Infinity, 2, 3, 0];
  const expect = async (
    expected: number,
    options: HostOptions & { u?: number },
    forbidden: number[] = [],
  ) => {
    const { u = 0.25, ...rest } = options;
    const taken = await take(device, [row], { ...rest, uniforms: [u] }, forbidden);
    equal(taken[0], expected, JSON.stringify(options));
  };
  const temperature = 1;
  await expect(1, {});
  await expect(4, {}, [1]);
  await expect(1, { temperature, topK: 2, topP: 0.5, u: 0.9 });
  await expect(4, { temperature, topK: 2, u: 0.5 });
  await expect(1, { temperature, topK: 2, u: 0.4999 });
  await expect(3, { temperature, topK: 3, u: 0.9999 });
  await expect(0, { temperature, u: 0 });
  await expect(5, { temperature, u: 1 - 2 ** -32 });
  await expect(4, { temperature, u: 1 - 2 ** -32 }, [5]);
  await expect(0, { temperature: 1e300, u: 0.19 });
  await expect(4, { temperature: 1e-300, u: 0.51 });
  const far = await take(device, [[-3e38, 3e38]], { temperature, uniforms: [0.5] });
  equal(far[0], 1);
});

testOnEach("sample() says so where no token can be taken", async (device) => {
  for (const temperature of [0, 1]) {
    const of = async (row: number[], forbidden: number[] = []) =>
      (await take(device, [row], { temperature, uniforms: [0.5] }, forbidden))[0];
    equal(await of([1, NaN, 2]), -1);
    equal(await of([1, NaN, 2], [1]), -1, "a forbidden one tells as much");
    equal(await of([1, Infinity, 2]), -1);
    equal(await of([1, 2], [0, 1]), -1);
    equal(await of([-Infinity, -Infinity]), -1);
    equal(await of([-Infinity, -1e38]), 1);
  }
});

testOnEach("sample() refuses options and shapes that do not fit", (device) => {
  using logits = device.tensor([2, 40]);
  using words = device.tensor([2], { dtype: "i32" });
  using few = device.tensor([1], { dtype: "i32" });
  const run = (options: SampleOptions, forbidden = words, ids = words) => () =>
    device.sample(logits, forbidden, ids, options);
  const uniforms = [0, 0.5];
  throws(run({ temperature: -1, uniforms }), {
    name: "RangeError",
    message: "Cannot sample as temperature must be a number of at least 0: current value is -1",
  });
  throws(run({ topK: 0, uniforms }), /topK must be an integer of at least 1/);
  throws(run({ topP: 0, uniforms }), /topP must be in \(0, 1\]/);
  for (const wrong of [[0.5], [0, 1], [-0.1, 0], [NaN, 0]]) {
    throws(run({ temperature: 1, uniforms: wrong }), {
      name: "RangeError",
      message: "Cannot run sample as uniforms must be 2 numbers in [0, 1): " +
        `current value is [${wrong}]`,
    });
  }
  throws(run({ uniforms }, few), {
    name: "RangeError",
    message: "Cannot run sample as forbidden must have a bit for each of 40 tokens, i32 [2]: " +
      "current value is i32 [1]",
  });
  throws(run({ uniforms }, words, few), /sample/);
  throws(run({ uniforms }, logits), { name: "TypeError" });
});
