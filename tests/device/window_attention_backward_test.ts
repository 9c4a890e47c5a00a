import { throws } from "node:assert/strict";
import { sizeOf, type Tensor, type WindowGradients } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";
import { landmarksAt } from "../plans.ts";
import { randomFrom } from "../random.ts";
import { WINDOW_CASES, windowInputs } from "./window_cases.ts";

for (const testCase of WINDOW_CASES) {
  const { B, T, S, H, G, D, P, name, sharpness } = testCase;
  testLikeReference(`windowAttentionBackward() ${name}`, (stage) => {
    const { device, input, output, use } = stage;
    const { q, k, v, relative, options } = windowInputs(testCase, stage);
    const out = use(device.tensor([B, T, H, D]));
    const sums = use(device.tensor([B, T, H]));
    device.windowAttention(q, k, v, out, sums, options);
    const gradients = {
      q: output("dQ", [B, T, H, D]),
      k: output("dK", [B, S, G, D]),
      v: output("dV", [B, S, G, D]),
      distances: relative && output("dDistances", relative.distances.shape),
      contentBias: relative && output("dContentBias", [H, D]),
      positionBias: relative && output("dPositionBias", [H, D]),
    };
    const dOut = input([B, T, H, D]);
    device.windowAttentionBackward(q, k, v, out, sums, dOut, gradients, options);
    // A key's gradient sums over all queries, each as large as they are sharp; a bias's over all keys
    // of all queries.
  }, { atol: (P === undefined ? 5e-6 : 2e-5) * sharpness, rtol: 2e-5 });
}

/** By finite differences: T, S, the window, absent keys, and P of relative positions. */
const SLOPES = [
  { T: 5, S: 5 },
  { T: 4, S: 9, window: 5, absent: 3, scale: 1.2 },
  { T: 6, S: 8, P: 8 },
  { T: 6, S: 8, P: 3, window: 5 },
  { T: 5, S: 7, P: 1, absent: 4 },
] as const;

for (const [n, { T, S, ...given }] of SLOPES.entries()) {
  const { P, ...options } = { P: undefined, ...given };
  const title = JSON.stringify({ T, S, P, ...options });
  Deno.test(`windowAttentionBackward() adds the slopes of windowAttention() ${title}`, async () => {
    const [B, H, G, D] = [2, 4, 2, 3];
    using sums = reference.tensor([B, T, H]);
    const relative = P === undefined ? [] : [[P, H, D], [H, D], [H, D]];
    const optionsOf = ([distances, contentBias, positionBias]: readonly Tensor[]) => ({
      ...options,
      ...(P !== undefined && { relative: { distances, contentBias, positionBias } }),
    });
    await assertGradients(reference, {
      inputs: [[B, T, H, D], [B, S, G, D], [B, S, G, D], ...relative],
      out: [B, T, H, D],
      forward: (device, [q, k, v, ...rest], out) =>
        device.windowAttention(q, k, v, out, sums, optionsOf(rest)),
      backward: (device, [q, k, v, ...rest], dOut, [dQ, dK, dV, ...dRest]) => {
        using out = device.tensor(q.shape);
        const [distances, contentBias, positionBias] = dRest;
        const gradients = {
          ...{ q: dQ, k: dK, v: dV },
          ...(P !== undefined && { distances, contentBias, positionBias }),
        };
        device.windowAttention(q, k, v, out, sums, optionsOf(rest));
        device.windowAttentionBackward(q, k, v, out, sums, dOut, gradients, optionsOf(rest));
      },
    }, n + 1);
  });
}

testOnEach(
  "windowAttentionBackward() of a window without an end is that of attention without landmarks",
  async (device) => {
    using stack = new DisposableStack();
    const random = randomFrom(2);
    const make = (...shape: number[]): Tensor =>
      stack.use(device.tensor(shape, { data: random.normal(sizeOf(shape)) }));
    const zeros = (...shape: number[]): Tensor => stack.use(device.tensor(shape));
    const [B, T, S, H, G, D] = [2, 50, 70, 4, 2, 16];
    const [q, k, v, dOut] = [
      make(B, T, H, D),
      make(B, S, G, D),
      make(B, S, G, D),
      make(B, T, H, D),
    ];
    const [out, sums] = [zeros(B, T, H, D), zeros(B, T, H)];
    const gradients = () => ({
      ...{ q: zeros(B, T, H, D), k: zeros(B, S, G, D), v: zeros(B, S, G, D) },
    });
    const [actual, expected] = [gradients(), gradients()];
    const blocks = stack.use(device.blocks(landmarksAt(S, []), B, S));
    device.windowAttention(q, k, v, out, sums);
    device.windowAttentionBackward(q, k, v, out, sums, dOut, actual);
    device.landmarkAttentionBackward(q, k, v, blocks, out, sums, dOut, expected);
    for (const name of ["q", "k", "v"] as const) {
      const numbers = await device.read(expected[name]);
      assertClose(await device.read(actual[name]), numbers, { atol: 1e-5, rtol: 1e-5 }, name);
    }
  },
);

testOnEach(
  "windowAttentionBackward() gives nothing to what was not seen, and adds",
  async (device) => {
    using stack = new DisposableStack();
    const random = randomFrom(3);
    const make = (...shape: number[]): Tensor =>
      stack.use(device.tensor(shape, { data: random.normal(sizeOf(shape)) }));
    const [T, S, H, D, P] = [20, 40, 2, 16, 30];
    const [q, k, v, dOut] = [
      make(1, T, H, D),
      make(1, S, H, D),
      make(1, S, H, D),
      make(1, T, H, D),
    ];
    const relative = {
      distances: make(P, H, D),
      contentBias: make(H, D),
      positionBias: make(H, D),
    };
    const [out, sums] = [make(1, T, H, D), make(1, T, H)];
    const gradients: Required<WindowGradients> = {
      ...{ q: make(1, T, H, D), k: make(1, S, H, D), v: make(1, S, H, D) },
      ...{ distances: make(P, H, D), contentBias: make(H, D), positionBias: make(H, D) },
    };
    // Queries at 20 … 39, the first four in front of all keys; distances 0 … 5.
    const options = { window: 6, absent: 24, relative };
    const all = Object.values(gradients) as Tensor[];
    const read = () => Promise.all(all.map((tensor) => device.read(tensor)));
    device.windowAttention(q, k, v, out, sums, options);
    const back = () => device.windowAttentionBackward(q, k, v, out, sums, dOut, gradients, options);
    const start = await read();
    back();
    const once = await read();
    back();
    const twice = await read();
    const C = H * D;
    assertClose(once[0].slice(0, 4 * C), start[0].slice(0, 4 * C), EXACT, "blind queries");
    for (const i of [1, 2]) {
      assertClose(once[i].slice(0, 24 * C), start[i].slice(0, 24 * C), EXACT, "absent keys");
    }
    assertClose(once[3].slice(6 * C), start[3].slice(6 * C), EXACT, "distances that nobody meets");
    for (const [i, numbers] of twice.entries()) {
      const expected = Array.from(once[i], (x, j) => 2 * x - start[i][j]);
      assertClose(numbers, expected, { atol: 1e-5, rtol: 1e-5 }, Object.keys(gradients)[i]);
    }
  },
);

testOnEach("windowAttentionBackward() refuses what does not fit", (device) => {
  using q = device.tensor([1, 3, 4, 8]);
  using k = device.tensor([1, 5, 2, 8]);
  using sums = device.tensor([1, 3, 4]);
  using distances = device.tensor([5, 4, 8]);
  using bias = device.tensor([4, 8]);
  const relative = { distances, contentBias: bias, positionBias: bias };
  const back = (gradients: WindowGradients, options = {}) => () =>
    device.windowAttentionBackward(q, k, k, q, sums, q, gradients, options);
  const wrong = (message: RegExp) => ({ name: "RangeError", message });
  throws(back({ q: k, k, v: k }), wrong(/dQ must be f32 \[1, 3, 4, 8\]/));
  throws(back({ q, k, v: q }), wrong(/dV must be f32 \[1, 5, 2, 8\]/));
  throws(back({ q, k, v: k }, { relative }), { name: "TypeError", message: /distances.*none/ });
  const short = { q, k, v: k, distances, contentBias: bias };
  throws(back(short, { relative }), { name: "TypeError", message: /positionBias/ });
  throws(back({ ...short, positionBias: distances }, { relative }), wrong(/dPositionBias must be/));
});
