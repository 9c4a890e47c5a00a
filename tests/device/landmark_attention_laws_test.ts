/** What landmark attention is known to do, beside what the reference does. */

import type { BlockPlan, Device } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { absent, landmarksAt, randomPlan, regular } from "../plans.ts";
import { randomFrom } from "../random.ts";

/** A small problem of one row and one head, where T is as long as `queries`. */
interface Small {
  queries: readonly (readonly number[])[];
  keys: readonly (readonly number[])[];
  values: readonly (readonly number[])[];
  plan: BlockPlan;
}

/** The outputs [T · D], at scale 1. */
async function attend(device: Device, { queries, keys, values, plan }: Small): Promise<number[]> {
  const [T, S, D] = [queries.length, keys.length, keys[0].length];
  using q = device.tensor([1, T, 1, D], { data: queries.flat() });
  using k = device.tensor([1, S, 1, D], { data: keys.flat() });
  using v = device.tensor([1, S, 1, D], { data: values.flat() });
  using out = device.tensor([1, T, 1, D]);
  using top = device.tensor([1, T, 1]);
  using blocks = device.blocks(plan, 1, S);
  device.landmarkAttention(q, k, v, blocks, out, top, { scale: 1 });
  return Array.from(await device.read(out));
}

/** Rows of the unit matrix. */
function unit(rows: number, columns = rows): number[][] {
  return Array.from(
    { length: rows },
    (_, i) => Array.from({ length: columns }, (_, j) => +(i === j)),
  );
}

function dot(a: readonly number[], b: readonly number[]): number {
  return a.reduce((sum, x, i) => sum + x * b[i], 0);
}

/** Weights [T, S] when every query's logits are ln 1, ln 2, …: the values are unit vectors. */
async function rowsOfLogarithms(device: Device, T: number, plan: BlockPlan): Promise<number[]> {
  const keys = Array.from({ length: T }, (_, j) => [Math.log(j + 1), ...new Array(T - 1).fill(0)]);
  const queries = keys.map(() => [1, ...new Array(T - 1).fill(0)]);
  return await attend(device, { queries, keys, values: unit(T), plan });
}

testOnEach("landmarkAttention() gives the golden rows", async (device) => {
  const six = await rowsOfLogarithms(device, 6, landmarksAt(6, [2, 5]));
  const expected = [
    [84, 0, 0, 0, 0, 0],
    [28, 56, 0, 0, 0, 0],
    [28, 56, 0, 0, 0, 0],
    [12, 24, 0, 48, 0, 0],
    [7, 14, 0, 28, 35, 0],
    [7, 14, 0, 28, 35, 0],
  ].flat();
  assertClose(six.map((x) => x * 84), expected, { atol: 1e-4, rtol: 0 });
  const nine = await rowsOfLogarithms(device, 9, landmarksAt(9, [2, 5, 8]));
  const last = [1 / 24, 1 / 12, 0, 1 / 9, 5 / 36, 0, 7 / 24, 1 / 3, 0];
  assertClose(nine.slice(72), last, { atol: 1e-6, rtol: 0 });
});

testOnEach(
  "landmarkAttention() has rows that sum to 1, or to 0 where nothing is seen",
  async (device) => {
    for (const seed of [1, 2, 3]) {
      const random = randomFrom(seed);
      const [B, S, D] = [2, 75, 8];
      const plan = randomPlan(random, B, S);
      using q = device.tensor([B, S, 1, D], { data: random.normal(B * S * D, 3) });
      using k = device.tensor([B, S, 1, D], { data: random.normal(B * S * D) });
      using v = device.tensor([B, S, 1, D]);
      using out = device.tensor([B, S, 1, D]);
      using top = device.tensor([B, S, 1]);
      using blocks = device.blocks(plan, B, S);
      device.fill(v, 1);
      device.landmarkAttention(q, k, v, blocks, out, top);
      const sums = Array.from(await device.read(out)).map((x) => x === 0 ? 1 : x);
      assertClose(sums, sums.map(() => 1), { atol: 2e-6, rtol: 0 }, `seed ${seed}`);
    }
  },
);

testOnEach("landmarkAttention() takes a foreign block of weight 3 for three", async (device) => {
  const random = randomFrom(5);
  for (const [T, D] of [[40, 16], [5, 16], [40, 6]]) {
    const [S, G, N] = [40, 1, 3];
    const made = (shape: number[]) =>
      device.tensor(shape, { data: random.normal(shape.reduce((a, b) => a * b)) });
    using q = made([1, T, 2, D]);
    using k = made([1, S, G, D]);
    using v = made([1, S, G, D]);
    using keys = made([N, G, D]);
    using values = made([N, G, D]);
    using top = device.tensor([1, T, 2]);
    using out = device.tensor(q.shape);
    using blocks = device.blocks(regular(S, 16), 1, S);
    const attendTo = async (list: number[], weight?: number): Promise<number[]> => {
      using index = device.tensor([1, list.length], { dtype: "i32", data: list });
      const foreign = { keys, values, index, weight };
      device.landmarkAttention(q, k, v, blocks, out, top, { foreign });
      return [...await device.read(out), ...await device.read(top)];
    };
    assertClose(await attendTo([2, 0], 3), await attendTo([2, 0, 2, 0, 2, 0]), {
      atol: 2e-6,
      rtol: 1e-5,
    });
  }
});

testOnEach("landmarkAttention() gives zero to a query that sees no key", async (device) => {
  const keys = unit(6, 8);
  const plan = { ...landmarksAt(6, [0, 3]), present: absent(6, [[4, 5]]) };
  const out = await attend(device, { queries: keys, keys, values: keys, plan });
  assertClose(out.slice(0, 8), new Array(8).fill(0), EXACT, "a landmark as the first token");
  assertClose(out.slice(32, 40), new Array(8).fill(0), EXACT, "a padding token");
  // The last query sees its own key, and the block of keys 1 and 2 through their landmark.
  const own = Math.E / (Math.E + 1);
  const expected = [0, (1 - own) / 2, (1 - own) / 2, 0, 0, own, 0, 0];
  assertClose(out.slice(40), expected, { atol: 1e-6, rtol: 0 });
});

testOnEach("landmarkAttention() of one block is ordinary attention", async (device) => {
  const random = randomFrom(5);
  const [S, D] = [20, 4];
  const rows = (count: number) => Array.from({ length: count }, () => [...random.normal(D)]);
  const [queries, keys, values] = [rows(S), rows(S), rows(S)];
  const plan = landmarksAt(S, []);
  const expected = queries.flatMap((query, t) => {
    const parts = keys.slice(0, t + 1).map((key) => Math.exp(dot(query, key)));
    const sum = parts.reduce((a, b) => a + b);
    return unit(D).map((_, d) => parts.reduce((o, part, j) => o + part / sum * values[j][d], 0));
  });
  const actual = await attend(device, { queries, keys, values, plan });
  assertClose(actual, expected, { atol: 1e-6, rtol: 1e-5 });
});

testOnEach(
  "landmarkAttention() is ordinary attention where landmarks estimate well",
  async (device) => {
    // All queries are [1, 0, 0, 0], and every landmark's logit is the log-sum-exp of its block.
    const random = randomFrom(6);
    const [M, S] = [5, 23];
    const logits = Array.from(random.normal(S));
    const values = logits.map(() => [...random.normal(4)]);
    const plan = regular(S, M);
    plan.isLandmark.forEach((is, j) => {
      const block = logits.slice(j - M + 1, j);
      if (is) logits[j] = Math.log(block.reduce((sum, x) => sum + Math.exp(x), 0));
    });
    const seen = [...logits.keys()].filter((j) => !plan.isLandmark[j]);
    const mass = seen.reduce((sum, j) => sum + Math.exp(logits[j]), 0);
    const expected = values[0].map((_, d) =>
      seen.reduce((sum, j) => sum + Math.exp(logits[j]) / mass * values[j][d], 0)
    );
    const keys = logits.map((x) => [x, 0, 0, 0]);
    const actual = await attend(device, { queries: [[1, 0, 0, 0]], keys, values, plan });
    assertClose(actual, expected, { atol: 1e-6, rtol: 1e-5 });
  },
);

testOnEach(
  "landmarkAttention() is unchanged by adding a constant to the scores",
  async (device) => {
    const random = randomFrom(7);
    const [S, M] = [40, 8];
    const queries = Array.from({ length: S }, () => [...random.normal(3), 1]);
    const keys = Array.from({ length: S }, () => [...random.normal(3), 0]);
    const values = Array.from({ length: S }, () => [...random.normal(4)]);
    const plan = regular(S, M);
    const first = await attend(device, { queries, keys, values, plan });
    for (const by of [64, -64, 256]) { // exp(100) overflows an f32
      const moved = keys.map(([a, b, c]) => [a, b, c, by]);
      const second = await attend(device, { queries, keys: moved, values, plan });
      assertClose(second, first, { atol: 2e-4, rtol: 0 }); // scores near 256 have steps of 1.5e-5
    }
  },
);

testOnEach(
  "landmarkAttention() does not look ahead, nor across documents or padding",
  async (device) => {
    const random = randomFrom(8);
    const [S, D, at] = [60, 8, 33];
    const rows = () => Array.from({ length: S }, () => [...random.normal(D)]);
    const [queries, keys, values] = [rows(), rows(), rows()];
    const noise = (from: number, end: number, x: number[][]) =>
      x.map((row, j) => j >= from && j < end ? row.map(() => 1e3 * random.uniform()) : row);
    const same = async (plan: BlockPlan, from: number, end: number, kept: [number, number]) => {
      const before = await attend(device, { queries, keys, values, plan });
      const changed = { keys: noise(from, end, keys), values: noise(from, end, values) };
      const after = await attend(device, { queries, ...changed, plan });
      const [low, high] = [kept[0] * D, kept[1] * D];
      assertClose(after.slice(low, high), before.slice(low, high), EXACT);
    };
    await same(regular(S, 7), at, S, [0, at]);
    const document = Int32Array.from({ length: S }, (_, j) => j < at ? 1 : 0);
    await same({ ...regular(S, 7), document }, 0, at, [at, S]);
    await same({ ...regular(S, 7), present: absent(S, [[10, 15]]) }, 10, 15, [0, S]);
  },
);

testOnEach("landmarkAttention() does the same for a row alone and in a batch", async (device) => {
  const random = randomFrom(9);
  const [B, T, S, H, D] = [3, 20, 45, 2, 8];
  const plan = randomPlan(random, B, S);
  using q = device.tensor([B, T, H, D], { data: random.normal(B * T * H * D) });
  using k = device.tensor([B, S, H, D], { data: random.normal(B * S * H * D) });
  using v = device.tensor([B, S, H, D], { data: random.normal(B * S * H * D) });
  using out = device.tensor([B, T, H, D]);
  using alone = device.tensor([B, T, H, D]);
  using top = device.tensor([B, T, H]);
  using blocks = device.blocks(plan, B, S);
  device.landmarkAttention(q, k, v, blocks, out, top);
  for (let b = 0; b < B; b++) {
    const row = <X extends Uint8Array | Int32Array>(x: X) => x.slice(b * S, (b + 1) * S) as X;
    using own = device.blocks(
      {
        isLandmark: row(plan.isLandmark),
        ...(plan.document && { document: row(plan.document) }),
        ...(plan.present && { present: row(plan.present) }),
      },
      1,
      S,
    );
    const [qb, kb, vb, outB, topB] = [q, k, v, alone, top].map((x) => device.view(x, b, 1));
    device.landmarkAttention(qb, kb, vb, own, outB, topB);
  }
  assertClose(await device.read(alone), await device.read(out), EXACT);
});
