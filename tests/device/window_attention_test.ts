import { throws } from "node:assert/strict";
import { type Device, sizeOf, type Tensor, type WindowOptions } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";
import { landmarksAt } from "../plans.ts";
import { randomFrom } from "../random.ts";
import { WINDOW_CASES, windowInputs } from "./window_cases.ts";

for (const testCase of WINDOW_CASES) {
  const { B, T, H, D, name, sharpness } = testCase;
  testLikeReference(`windowAttention() ${name}`, (stage) => {
    const { q, k, v, options } = windowInputs(testCase, stage);
    const out = stage.output("out", [B, T, H, D]);
    const sums = stage.output("sums", [B, T, H]);
    stage.device.windowAttention(q, k, v, out, sums, options);
    // The larger a score, the coarser its last bit, and all of that error goes into a weight.
  }, { atol: 4e-6 * sharpness, rtol: 1e-5 });
}

/** Tensors of noise for one law, freed with the stack. */
function maker(device: Device, stack: DisposableStack, seed: number) {
  const random = randomFrom(seed);
  return (...shape: number[]): Tensor =>
    stack.use(device.tensor(shape, { data: random.normal(sizeOf(shape)) }));
}

const [B, S, H, G, D] = [2, 90, 4, 2, 24];

/** Positions for `maker`, of as many distances. */
function positions(make: (...shape: number[]) => Tensor, P: number) {
  return { distances: make(P, H, D), contentBias: make(H, D), positionBias: make(H, D) };
}

testOnEach(
  "windowAttention() of a window without an end is landmarkAttention() without landmarks",
  async (device) => {
    using stack = new DisposableStack();
    const make = maker(device, stack, 1);
    const T = 70;
    const [q, k, v] = [make(B, T, H, D), make(B, S, G, D), make(B, S, G, D)];
    const [out, sums] = [make(B, T, H, D), make(B, T, H)];
    const [expected, top] = [make(B, T, H, D), make(B, T, H)];
    const blocks = stack.use(device.blocks(landmarksAt(S, []), B, S));
    device.landmarkAttention(q, k, v, blocks, expected, top);
    for (const window of [undefined, S, S + 5]) {
      device.windowAttention(q, k, v, out, sums, { window });
      assertClose(await device.read(out), await device.read(expected), { atol: 2e-6, rtol: 1e-5 });
      assertClose(await device.read(sums), await device.read(top), { atol: 2e-6, rtol: 1e-5 });
    }
  },
);

for (const relative of [false, true]) {
  const title = relative ? ", relative" : "";

  testOnEach(
    `windowAttention() in chunks with a cache is that of the whole${title}`,
    async (device) => {
      using stack = new DisposableStack();
      const make = maker(device, stack, 2);
      const [q, k, v] = [make(S, H, D), make(S, G, D), make(S, G, D)];
      const [out, sums] = [make(1, S, H, D), make(1, S, H)];
      const one = (x: Tensor): Tensor => device.reshape(x, [1, ...x.shape]);
      const options = { relative: relative ? positions(make, 40) : undefined };
      device.windowAttention(one(q), one(k), one(v), out, sums, options);
      const whole = await device.read(device.reshape(out, [S, H, D]));
      // Each chunk sees a cache that covers the past: all of it, with rows in front that do not exist.
      for (const [from, to] of [[0, 1], [1, 9], [9, 50], [50, 90]]) {
        const absent = 5;
        const padded = (x: Tensor): Tensor => {
          const joined = make(1, absent + to, G, D);
          device.joinRows(make(1, absent, G, D), one(device.view(x, 0, to)), joined);
          return joined;
        };
        const queries = one(device.view(q, from, to - from));
        const [part, partSums] = [make(1, to - from, H, D), make(1, to - from, H)];
        device.windowAttention(queries, padded(k), padded(v), part, partSums, {
          absent,
          ...options,
        });
        const expected = whole.slice(from * H * D, to * H * D);
        // A GPU sums in another order where it cuts keys elsewhere.
        assertClose(await device.read(part), expected, { atol: 2e-6, rtol: 1e-5 }, `${from}–${to}`);
      }
    },
  );

  testOnEach(
    `windowAttention() gives few queries what they get among many${title}`,
    async (device) => {
      using stack = new DisposableStack();
      const make = maker(device, stack, 3);
      const [q, k, v] = [make(S, H, D), make(1, S, G, D), make(1, S, G, D)];
      const [out, sums] = [make(S, H, D), make(S, H)];
      const options = {
        window: 50,
        absent: 3,
        relative: relative ? positions(make, 30) : undefined,
      };
      const one = (x: Tensor): Tensor => device.reshape(x, [1, ...x.shape]);
      const last = (x: Tensor): Tensor => device.view(x, S - 5, 5);
      device.windowAttention(one(q), k, v, one(out), one(sums), options);
      const [outFew, sumsFew] = [make(1, 5, H, D), make(1, 5, H)];
      device.windowAttention(one(last(q)), k, v, outFew, sumsFew, options);
      const bound = device.info.kind === "gpu" ? { atol: 2e-6, rtol: 2e-6 } : EXACT;
      assertClose(await device.read(outFew), await device.read(last(out)), bound, "out");
      assertClose(await device.read(sumsFew), await device.read(last(sums)), bound, "sums");
    },
  );

  testOnEach(
    `windowAttention() does not look at keys that are not there${title}`,
    async (device) => {
      using stack = new DisposableStack();
      const make = maker(device, stack, 4);
      const [T, window, absent] = [60, 20, 40];
      const [q, k, v] = [make(1, T, H, D), make(1, S, G, D), make(1, S, G, D)];
      const [out, sums] = [make(1, T, H, D), make(1, T, H)];
      const options = { window, absent, relative: relative ? positions(make, 10) : undefined };
      const attend = async () => {
        device.windowAttention(q, k, v, out, sums, options);
        return await device.read(out);
      };
      const before = await attend();
      // Of query t at S − T + t = 70: it sees the keys 51 … 70. The first ten queries see none.
      for (const x of [k, v]) {
        const rows = device.reshape(x, [S, G * D]);
        device.fill(device.view(rows, 0, 51), 1e30);
        device.fill(device.view(rows, 71, S - 71), -1e30);
      }
      const after = await attend();
      const row = (x: ArrayLike<number>, t: number) =>
        Array.from({ length: H * D }, (_, i) => x[t * H * D + i]);
      assertClose(row(after, 40), row(before, 40), EXACT, "query 40");
      for (let t = 0; t < 10; t++) assertClose(row(before, t), new Array(H * D).fill(0), EXACT);
      assertClose(
        (await device.read(sums)).slice(0, 10 * H),
        new Array(10 * H).fill(-Infinity),
        EXACT,
      );
    },
  );

  testOnEach(
    `windowAttention() is unchanged by adding a constant to the scores${title}`,
    async (device) => {
      using stack = new DisposableStack();
      const make = maker(device, stack, 5);
      const [T, window] = [60, 33];
      const [q, k, v] = [make(1, T, H, D), make(1, S, G, D), make(1, S, G, D)];
      const [out, sums, shift] = [make(1, T, H, D), make(1, T, H), make(G, D)];
      const options = { window, relative: relative ? positions(make, 10) : undefined };
      device.windowAttention(q, k, v, out, sums, options);
      const [before, sumsBefore] = [await device.read(out), await device.read(sums)];
      // The same vector on every key of a head moves all scores of a query alike.
      const numbers = Array.from(await device.read(shift));
      const moved = Array.from(await device.read(k), (x, i) => x + numbers[i % numbers.length]);
      device.write(k, moved);
      device.windowAttention(q, k, v, out, sums, options);
      assertClose(await device.read(out), before, { atol: 1e-5, rtol: 1e-5 });
      const sumsAfter = Array.from(await device.read(sums));
      const most = Math.max(...sumsAfter.map((sum, i) => Math.abs(sum - sumsBefore[i])));
      if (!(most > 0.5)) throw new Error(`the scores did not move: ${most}`);
    },
  );

  testOnEach(`windowAttention() has weights that sum to 1${title}`, async (device) => {
    using stack = new DisposableStack();
    const make = maker(device, stack, 6);
    const [q, k, v] = [make(B, S, H, D), make(B, S, G, D), make(B, S, G, D)];
    const [out, sums] = [make(B, S, H, D), make(B, S, H)];
    device.fill(v, 1);
    device.windowAttention(q, k, v, out, sums, {
      window: 17,
      relative: relative ? positions(make, 9) : undefined,
    });
    const actual = await device.read(out);
    assertClose(actual, new Array(actual.length).fill(1), { atol: 2e-6, rtol: 0 });
  });
}

testOnEach("windowAttention() weighs distances alone where keys are zero", async (device) => {
  // r of distance d is ln(d + 1) in front, positionBias 1: weights are 1, 2, 3, 3, 3 from here on.
  const [S, D] = [5, 5];
  const shape = [1, S, 1, D];
  const unit = Array.from({ length: S * D }, (_, i) => Math.floor(i / D) === i % D ? 1 : 0);
  const row = (x: number) => [x, 0, 0, 0, 0];
  using q = device.tensor(shape);
  using k = device.tensor(shape);
  using v = device.tensor(shape, { data: unit });
  using distances = device.tensor([3, 1, D], {
    data: [row(0), row(Math.log(2)), row(Math.log(3))].flat(),
  });
  using contentBias = device.tensor([1, D], { data: [9, 9, 9, 9, 9] });
  using positionBias = device.tensor([1, D], { data: [1, 5, 5, 5, 5] });
  using out = device.tensor(shape);
  using sums = device.tensor([1, S, 1]);
  const relative = { distances, contentBias, positionBias };
  device.windowAttention(q, k, v, out, sums, { scale: 1, relative });
  const expected = [
    [1, 0, 0, 0, 0],
    [2 / 3, 1 / 3, 0, 0, 0],
    [3 / 6, 2 / 6, 1 / 6, 0, 0],
    [3 / 9, 3 / 9, 2 / 9, 1 / 9, 0],
    [3 / 12, 3 / 12, 3 / 12, 2 / 12, 1 / 12],
  ].flat();
  assertClose(await device.read(out), expected, { atol: 1e-6, rtol: 0 });
  assertClose(await device.read(sums), [1, 3, 6, 9, 12].map(Math.log), { atol: 2e-6, rtol: 0 });
});

testOnEach("windowAttention() refuses what does not fit", (device) => {
  using q = device.tensor([1, 3, 4, 8]);
  using k = device.tensor([1, 5, 2, 8]);
  using odd = device.tensor([1, 5, 3, 8]);
  using few = device.tensor([1, 2, 2, 8]);
  using sums = device.tensor([1, 3, 4]);
  using distances = device.tensor([5, 4, 8]);
  using none = device.tensor([0, 4, 8]);
  using bias = device.tensor([4, 8]);
  using wrongBias = device.tensor([2, 8]);
  const attend = (keys: Tensor, values: Tensor, options: WindowOptions = {}) => () =>
    device.windowAttention(q, keys, values, q, sums, options);
  const wrong = (message: RegExp) => ({ name: "RangeError", message });
  throws(attend(odd, odd), wrong(/windowAttention.*G must divide H = 4.*3/));
  throws(attend(k, odd), wrong(/v .*\[1, 5, 2, 8\]/));
  throws(attend(few, few), wrong(/last of 2 keys.*3 queries/));
  throws(attend(k, k, { window: 0 }), wrong(/window.* 0$/));
  throws(attend(k, k, { window: 2.5 }), wrong(/window.* 2\.5$/));
  throws(attend(k, k, { absent: -1 }), wrong(/absent.*\[0, 5\].*-1/));
  throws(attend(k, k, { absent: 6 }), wrong(/absent.*\[0, 5\].*6/));
  const relative = { distances, contentBias: bias, positionBias: bias };
  throws(attend(k, k, { relative: { ...relative, distances: none } }), wrong(/P.* 0$/));
  throws(attend(k, k, { relative: { ...relative, distances: bias } }), wrong(/distances must be/));
  const short = { ...relative, positionBias: wrongBias };
  throws(attend(k, k, { relative: short }), wrong(/positionBias must be f32 \[4, 8\].*\[2, 8\]/));
  throws(() => device.windowAttention(q, k, k, q, bias), wrong(/sums must be f32 \[1, 3, 4\]/));
});
