import { throws } from "node:assert/strict";
import type { AdamWOptions } from "../../src/device/device.ts";
import { assertClose } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

const OPTIONS: AdamWOptions = {
  rate: 1e-2,
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  decay: 0.1,
  step: 3,
  scale: 0.5,
  clip: 1,
};

for (const length of [1, 3, 4, 5, 63, 64, 65, 20000]) {
  for (const clip of [0.01, 1, Infinity]) {
    testLikeReference(
      `adamW() of ${length}, clipped at ${clip}`,
      ({ device, random, input, output }) => {
        const [weight, mean] = [output("weight", [length]), output("mean", [length])];
        const variance = output("variance", [length]);
        device.write(variance, random.normal(length).map(Math.abs));
        const norm = input([1], [7]);
        device.adamW(weight, input([length]), mean, variance, norm, { ...OPTIONS, clip });
      },
      { atol: 1e-6, rtol: 1e-5 },
    );
  }
}

testOnEach("adamW() moves by the rate at first, whatever the gradient's size", async (device) => {
  using weight = device.tensor([3], { data: [1, 1, -2] });
  using gradient = device.tensor([3], { data: [1e-3, -500, 0] });
  using mean = device.tensor([3]);
  using variance = device.tensor([3]);
  using norm = device.tensor([1], { data: [250000] });
  const options = { ...OPTIONS, step: 1, scale: 1, clip: Infinity };
  device.adamW(weight, gradient, mean, variance, norm, options);
  // Each weight first loses a thousandth of itself: rate · decay.
  const expected = [0.999 - 0.01, 0.999 + 0.01, -1.998];
  assertClose(await device.read(weight), expected, { atol: 1e-6, rtol: 0 });
  assertClose(await device.read(mean), [1e-4, -50, 0], { atol: 1e-9, rtol: 1e-5 });
});

testOnEach("adamW() clips the scaled gradient to a length", async (device) => {
  using weight = device.tensor([2]);
  using gradient = device.tensor([2], { data: [30, -40] });
  using mean = device.tensor([2]);
  using variance = device.tensor([2]);
  using norm = device.tensor([1], { data: [2500] });
  const options = { ...OPTIONS, beta1: 0, scale: 0.1, clip: 2 };
  device.adamW(weight, gradient, mean, variance, norm, options);
  assertClose(await device.read(mean), [1.2, -1.6], { atol: 1e-6, rtol: 1e-6 });
  device.adamW(weight, gradient, mean, variance, norm, { ...options, clip: 6 });
  assertClose(await device.read(mean), [3, -4], { atol: 1e-6, rtol: 1e-6 });
});

testOnEach("adamW() of a zero gradient only decays", async (device) => {
  using weight = device.tensor([2], { data: [1, -1] });
  using zeros = device.tensor([2]);
  using mean = device.tensor([2]);
  using variance = device.tensor([2]);
  using norm = device.tensor([1]);
  device.adamW(weight, zeros, mean, variance, norm, OPTIONS);
  assertClose(await device.read(weight), [0.999, -0.999], { atol: 1e-6, rtol: 0 });
});

testOnEach("adamW() refuses unequal shapes", (device) => {
  using weight = device.tensor([2]);
  using gradient = device.tensor([3]);
  using norm = device.tensor([1]);
  throws(() => device.adamW(weight, gradient, weight, weight, norm, OPTIONS), {
    name: "RangeError",
    message: /adamW.*\[3\].*\[2\]/,
  });
});
