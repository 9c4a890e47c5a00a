import { throws } from "node:assert/strict";
import { assertClose } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";
import type { Stage } from "../stage.ts";

/** Logits, targets (some of them none) and weights. */
function problem({ random, input, indices }: Stage, T: number, V: number) {
  const targets = random.integers(T, -1, V - 1);
  return [input([T, V]), indices([T], targets), input([T])] as const;
}

for (const T of [1, 7, 65]) {
  for (const V of [1, 5, 63, 64, 65, 260]) {
    testLikeReference(`crossEntropy() of [${T}, ${V}]`, (stage) => {
      const losses = stage.output("losses", [T]);
      stage.device.crossEntropy(...problem(stage, T, V), losses);
    }, { atol: 2e-6, rtol: 1e-5 }); // −log p is a difference of logits, each rounded
    testLikeReference(`crossEntropyBackward() of [${T}, ${V}]`, (stage) => {
      const dLogits = stage.output("dLogits", [T, V]);
      stage.device.crossEntropyBackward(...problem(stage, T, V), dLogits, { scale: 0.5 });
    }, { atol: 1e-6, rtol: 1e-5 });
  }
}

testOnEach("crossEntropy() of even logits is log V, and of no target 0", async (device) => {
  using logits = device.tensor([3, 4], { data: [0, 0, 0, 0, 9, 9, 9, 9, 1, 2, 3, 4] });
  using targets = device.tensor([3], { dtype: "i32", data: [2, 0, -1] });
  using weights = device.tensor([3], { data: [1, 5, 7] });
  using losses = device.tensor([3], { data: [8, 8, 8] });
  device.crossEntropy(logits, targets, weights, losses);
  const expected = [Math.log(4), 5 * Math.log(4), 0];
  assertClose(await device.read(losses), expected, { atol: 1e-6, rtol: 1e-6 });
  using dLogits = device.tensor([3, 4], { data: new Float64Array(12).fill(1) });
  device.crossEntropyBackward(logits, targets, weights, dLogits, { scale: 2 });
  const slopes = [1.5, 1.5, -0.5, 1.5, -6.5, 3.5, 3.5, 3.5, 1, 1, 1, 1];
  assertClose(await device.read(dLogits), slopes, { atol: 1e-6, rtol: 1e-6 });
});

testOnEach("crossEntropy() is unchanged by adding a constant to the logits", async (device) => {
  const row = [0.5, -3, 4, 2, 0, 1, -1];
  const shifts = [0, 80, -80, 3000]; // exp(100) alone overflows an f32
  using logits = device.tensor([4, 7], { data: shifts.flatMap((by) => row.map((x) => x + by)) });
  using targets = device.tensor([4], { dtype: "i32", data: [3, 3, 3, 3] });
  using weights = device.tensor([4], { data: [1, 1, 1, 1] });
  using losses = device.tensor([4]);
  device.crossEntropy(logits, targets, weights, losses);
  const [first, ...rest] = await device.read(losses);
  // Around 3000 the logits themselves have steps of 2.4e-4, and so has their log-sum-exp.
  assertClose(rest, [first, first, first], { atol: 5e-4, rtol: 0 });
});

testOnEach("crossEntropy() refuses targets of another length", (device) => {
  using logits = device.tensor([3, 4]);
  using targets = device.tensor([2], { dtype: "i32" });
  using weights = device.tensor([3]);
  const wrong = { name: "RangeError", message: /crossEntropy.*i32 \[2\].*\[3, 4\]/ };
  throws(() => device.crossEntropy(logits, targets, weights, weights), wrong);
});

testOnEach("crossEntropy() refuses a target that is no logit", (device) => {
  using logits = device.tensor([2, 4]);
  using weights = device.tensor([2]);
  for (const target of [-2, 4]) {
    using targets = device.tensor([2], { dtype: "i32", data: [0, target] });
    const wrong = {
      name: "RangeError",
      message: new RegExp(`targets .*\\[-1, 4\\).* ${target}\\b`),
    };
    throws(() => device.crossEntropy(logits, targets, weights, weights), wrong);
    throws(
      () => device.crossEntropyBackward(logits, targets, weights, logits, { scale: 1 }),
      wrong,
    );
  }
});

Deno.test("crossEntropyBackward() adds the slopes of crossEntropy()", async () => {
  using targets = reference.tensor([3], { dtype: "i32", data: [2, -1, 0] });
  using ones = reference.tensor([3], { data: [1, 1, 1] });
  await assertGradients(reference, {
    inputs: [[3, 4]],
    out: [3],
    forward: (device, [logits], out) => device.crossEntropy(logits, targets, ones, out),
    // What a loss is multiplied by afterwards is as good as its weight.
    backward: (device, [logits], dOut, [dLogits]) =>
      device.crossEntropyBackward(logits, targets, dOut, dLogits, { scale: 1 }),
  });
});
