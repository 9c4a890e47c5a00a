import { throws } from "node:assert/strict";
import { assertClose } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

const options = { epsilon: 1e-5 };

for (const T of [1, 2, 7, 150]) {
  for (const C of [1, 5, 8, 63, 64, 65, 256]) {
    testLikeReference(`rmsNorm() of [${T}, ${C}]`, ({ device, input, output }) => {
      device.rmsNorm(input([T, C]), input([C]), output("out", [T, C]), options);
    }, { atol: 1e-6, rtol: 1e-5 });
    testLikeReference(
      `rmsNormBackward() of [${T}, ${C}]`,
      ({ device, input, output }) => {
        const [dX, dWeight] = [output("dX", [T, C]), output("dWeight", [C])];
        device.rmsNormBackward(input([T, C]), input([C]), input([T, C]), dX, dWeight, options);
      },
      // dWeight sums T rows. At C = 1 the true dX is some 1e-5: what is left when two numbers of
      // 1 / |x| cancel.
      { atol: 1e-5 * Math.sqrt(T), rtol: 1e-5 },
    );
  }
}

testOnEach(
  "rmsNorm() of zeros is zero, and of a small row is what epsilon leaves",
  async (device) => {
    using x = device.tensor([2, 2], { data: [0, 0, 3e-3, -4e-3] });
    using weight = device.tensor([2], { data: [2, 1] });
    using out = device.tensor([2, 2]);
    device.rmsNorm(x, weight, out, { epsilon: 1.25e-5 }); // mean(x²) is 1.25e-5 too
    assertClose(await device.read(out), [0, 0, 1.2, -0.8], { atol: 1e-6, rtol: 1e-6 });
  },
);

testOnEach("rmsNorm() refuses a weight of another width", (device) => {
  using x = device.tensor([2, 3]);
  using weight = device.tensor([2]);
  const wrong = { name: "RangeError", message: /rmsNorm.*\[2\].*\[2, 3\]/ };
  throws(() => device.rmsNorm(x, weight, x, options), wrong);
  throws(() => device.rmsNormBackward(x, weight, x, x, weight, options), wrong);
});

Deno.test("rmsNormBackward() adds the slopes of rmsNorm()", async () => {
  await assertGradients(reference, {
    inputs: [[3, 5], [5]],
    out: [3, 5],
    forward: (device, [x, weight], out) => device.rmsNorm(x, weight, out, { epsilon: 0.1 }),
    backward: (device, [x, weight], dOut, [dX, dWeight]) =>
      device.rmsNormBackward(x, weight, dOut, dX, dWeight, { epsilon: 0.1 }),
  });
});
