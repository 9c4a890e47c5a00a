import { throws } from "node:assert/strict";
import type { Device, Tensor } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";
import { landmarksAt, randomPlan, regular } from "../plans.ts";
import { randomFrom } from "../random.ts";
import { LANDMARK_CASES, landmarkInputs } from "./landmark_cases.ts";

for (const testCase of LANDMARK_CASES) {
  const { B, T, S, H, G, D, name, scale, sharpness } = testCase;
  testLikeReference(`landmarkAttentionBackward() ${name}`, (stage) => {
    const { device, input, output, use } = stage;
    const { q, k, v, blocks, foreign } = landmarkInputs(testCase, stage);
    const out = use(device.tensor([B, T, H, D]));
    const top = use(device.tensor([B, T, H]));
    const options = { foreign, ...(scale !== undefined && { scale }) };
    device.landmarkAttention(q, k, v, blocks, out, top, options);
    const gradients = {
      q: output("dQ", [B, T, H, D]),
      k: output("dK", [B, S, G, D]),
      v: output("dV", [B, S, G, D]),
      foreign: foreign && {
        keys: output("dKeys", foreign.keys.shape),
        values: output("dValues", foreign.values.shape),
      },
    };
    const dOut = input([B, T, H, D]);
    device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients, options);
    // A key's gradient sums over all queries, each as large as they are sharp.
  }, { atol: 5e-6 * sharpness, rtol: 2e-5 });
}

/** q, k and v with random plans, by finite differences. */
for (const seed of [1, 2, 3, 4, 5, 6]) {
  Deno.test(`landmarkAttentionBackward() adds the slopes of landmarkAttention(), seed ${seed}`, async () => {
    const [B, T, S, H, G, D] = [2, 9, 14, 2, 1, 3];
    using blocks = reference.blocks(randomPlan(randomFrom(seed), B, S), B, S);
    using top = reference.tensor([B, T, H]);
    using out = reference.tensor([B, T, H, D]);
    await assertGradients(reference, {
      inputs: [[B, T, H, D], [B, S, G, D], [B, S, G, D]],
      out: [B, T, H, D],
      forward: (device, [q, k, v], result) =>
        device.landmarkAttention(q, k, v, blocks, result, top, { scale: 1.2 }),
      backward: (device, [q, k, v], dOut, [dQ, dK, dV]) =>
        device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, {
          q: dQ,
          k: dK,
          v: dV,
        }, { scale: 1.2 }),
    }, seed);
  });
}

Deno.test("landmarkAttentionBackward() adds the slopes of foreign blocks", async () => {
  const [B, T, S, H, G, D, N] = [2, 6, 8, 4, 2, 3, 4];
  using blocks = reference.blocks(landmarksAt(S, [0, 2, 5]), B, S);
  using index = reference.tensor([B, 3], { dtype: "i32", data: [2, 0, -1, -1, -1, 2] });
  using top = reference.tensor([B, T, H]);
  const foreignOf = (keys: Tensor, values: Tensor) => ({
    foreign: { keys, values, index, weight: 5 },
  });
  await assertGradients(reference, {
    inputs: [[B, T, H, D], [B, S, G, D], [B, S, G, D], [N, G, D], [N, G, D]],
    out: [B, T, H, D],
    forward: (device, [q, k, v, fk, fv], out) =>
      device.landmarkAttention(q, k, v, blocks, out, top, foreignOf(fk, fv)),
    backward: (device, [q, k, v, fk, fv], dOut, [dQ, dK, dV, dFk, dFv]) =>
      device.landmarkAttentionBackward(q, k, v, blocks, dOut, top, dOut, {
        q: dQ,
        k: dK,
        v: dV,
        foreign: { keys: dFk, values: dFv },
      }, foreignOf(fk, fv)),
  });
});

/** Gradients of a small problem, from zero. */
async function gradientsOf(
  device: Device,
  [q, k, v, dOut]: readonly Tensor[],
  landmarks: readonly number[],
): Promise<{ dQ: number[]; dK: number[]; dV: number[] }> {
  const [B, T, H] = q.shape;
  const S = k.shape[1];
  using blocks = device.blocks(landmarksAt(S, landmarks), B, S);
  using out = device.tensor(q.shape);
  using top = device.tensor([B, T, H]);
  using dQ = device.tensor(q.shape);
  using dK = device.tensor(k.shape);
  using dV = device.tensor(v.shape);
  device.landmarkAttention(q, k, v, blocks, out, top);
  const gradients = { q: dQ, k: dK, v: dV };
  device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients);
  const numbers = async (tensor: Tensor) => Array.from(await device.read(tensor));
  return { dQ: await numbers(dQ), dK: await numbers(dK), dV: await numbers(dV) };
}

testOnEach(
  "landmarkAttentionBackward() gives nothing to a query that sees nothing, nor to a landmark's value",
  async (device) => {
    const [S, D] = [12, 4];
    const random = randomFrom(3);
    const data = () => ({ data: random.normal(S * D) });
    using q = device.tensor([1, S, 1, D], data());
    using k = device.tensor([1, S, 1, D], data());
    using v = device.tensor([1, S, 1, D], data());
    using dOut = device.tensor([1, S, 1, D], data());
    const { dQ, dK, dV } = await gradientsOf(device, [q, k, v, dOut], [0, 5, 6]);
    const none = new Array(D).fill(0);
    assertClose(dQ.slice(0, D), none, EXACT, "the first landmark's query");
    assertClose(dK.slice(0, D), none, EXACT, "the first landmark gates nothing");
    assertClose(dK.slice(6 * D, 7 * D), none, EXACT, "a block that is its landmark alone");
    for (const j of [0, 5, 6]) assertClose(dV.slice(j * D, (j + 1) * D), none, EXACT, `dV of ${j}`);
  },
);

testOnEach("landmarkAttentionBackward() is zero where all values are alike", async (device) => {
  const [B, T, S, H, G, D] = [2, 30, 40, 4, 2, 8];
  const random = randomFrom(4);
  using q = device.tensor([B, T, H, D], { data: random.normal(B * T * H * D) });
  using k = device.tensor([B, S, G, D], { data: random.normal(B * S * G * D) });
  using v = device.tensor([B, S, G, D], { data: new Float64Array(B * S * G * D).fill(0.5) });
  using dOut = device.tensor([B, T, H, D], { data: new Float64Array(B * T * H * D).fill(1) });
  const { dQ, dK, dV } = await gradientsOf(device, [q, k, v, dOut], [7, 15, 31]);
  // Weights sum to 1, whatever the scores; and each query gives away all of its dOut.
  assertClose(dQ, dQ.map(() => 0), { atol: 1e-5, rtol: 0 });
  assertClose(dK, dK.map(() => 0), { atol: 1e-5, rtol: 0 });
  const given = dV.reduce((a, b) => a + b);
  assertClose([given], [B * T * H * D], { atol: 0, rtol: 1e-5 });
});

testOnEach("landmarkAttentionBackward() adds: twice is double", async (device) => {
  const shape = [1, 20, 2, 8];
  const random = randomFrom(5);
  const made = () => device.tensor(shape, { data: random.normal(320) });
  using q = made();
  using k = made();
  using v = made();
  using dOut = made();
  using out = device.tensor(shape);
  using top = device.tensor([1, 20, 2]);
  using blocks = device.blocks(regular(20, 6), 1, 20);
  using dQ = device.tensor(shape);
  using dK = device.tensor(shape);
  using dV = device.tensor(shape);
  const gradients = { q: dQ, k: dK, v: dV };
  device.landmarkAttention(q, k, v, blocks, out, top);
  const back = () => device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients);
  back();
  const once = await Promise.all([dQ, dK, dV].map((tensor) => device.read(tensor)));
  back();
  for (const [i, tensor] of [dQ, dK, dV].entries()) {
    const twice = Array.from(once[i], (x) => 2 * x);
    assertClose(await device.read(tensor), twice, { atol: 1e-6, rtol: 1e-6 });
  }
});

testOnEach("landmarkAttentionBackward() refuses what does not fit", (device) => {
  using q = device.tensor([1, 5, 2, 8]);
  using k = device.tensor([1, 5, 1, 8]);
  using top = device.tensor([1, 5, 2]);
  using pool = device.tensor([3, 1, 8]);
  using index = device.tensor([1, 2], { dtype: "i32" });
  using blocks = device.blocks(landmarksAt(5, [2]), 1, 5);
  const back = (gradients: { q: Tensor; k: Tensor; v: Tensor }, options = {}) => () =>
    device.landmarkAttentionBackward(q, k, k, blocks, q, top, q, gradients, options);
  throws(back({ q: k, k, v: k }), { name: "RangeError", message: /\[1, 5, 1, 8\]/ });
  throws(back({ q, k, v: q }), { name: "RangeError", message: /\[1, 5, 2, 8\]/ });
  const foreign = { keys: pool, values: pool, index };
  throws(back({ q, k, v: k }, { foreign }), { name: /TypeError|RangeError/, message: /foreign/ });
});
