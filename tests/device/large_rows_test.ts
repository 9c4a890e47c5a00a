/** Shapes past what a workgroup takes at once: long rows, many of them, uneven ones. */

import { assertClose, EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

for (const [T, C] of [[3, 1500], [2, 4096], [5, 1027], [1100, 36]]) {
  testLikeReference(`rmsNorm() of [${T}, ${C}]`, ({ device, input, output }) => {
    device.rmsNorm(input([T, C]), input([C]), output("out", [T, C]), { epsilon: 1e-5 });
  }, { atol: 1e-6, rtol: 1e-5 });
  testLikeReference(`rmsNormBackward() of [${T}, ${C}]`, ({ device, input, output }) => {
    const [dX, dWeight] = [output("dX", [T, C]), output("dWeight", [C])];
    device.rmsNormBackward(input([T, C]), input([C]), input([T, C]), dX, dWeight, {
      epsilon: 1e-5,
    });
  }, { atol: 1e-6 * Math.sqrt(T), rtol: 1e-5 }); // dWeight sums T rows
}

for (const [T, V] of [[3, 1024], [2, 9001], [3, 20000], [600, 12]]) {
  testLikeReference(`crossEntropy() of [${T}, ${V}], some far apart`, (stage) => {
    const { device, random, input, indices, output } = stage;
    const logits = input([T, V], random.normal(T * V).map((x) => 30 * x));
    const targets = indices([T], random.integers(T, -1, V - 1));
    const weights = input([T]);
    device.crossEntropy(logits, targets, weights, output("losses", [T]));
    const dLogits = output("dLogits", [T, V]);
    device.crossEntropyBackward(logits, targets, weights, dLogits, { scale: 0.5 });
  }, { atol: 1e-4, rtol: 1e-5 }); // logits of some 100 have steps of 8e-6
}

for (const [R, width, n] of [[3, 8, 2500], [5000, 4, 700], [7, 300, 129], [40, 1, 33]]) {
  testLikeReference(
    `gatherBackward() of ${n} rows of ${width}, most of them one of ${R}`,
    ({ device, random, input, indices, output }) => {
      // A third to row 1, so that its sum goes over many workgroups.
      const rows = random.integers(n, 0, R - 1).map((row, i) => i % 3 === 0 ? 1 : row);
      device.gatherBackward(input([n, width]), indices([n], rows), output("dX", [R, width]));
    },
    { atol: 1e-4, rtol: 1e-5 }, // some 1000 numbers of 1
  );
}

testOnEach("gatherBackward() of one row alone adds all", async (device) => {
  using dOut = device.tensor([5000, 4], { data: new Float64Array(20000).fill(1) });
  using rows = device.tensor([5000], { dtype: "i32" });
  device.fill(rows, 2);
  using dX = device.tensor([3, 4]);
  device.gatherBackward(dOut, rows, dX);
  const expected = [0, 0, 0, 0, 0, 0, 0, 0, 5000, 5000, 5000, 5000];
  assertClose(await device.read(dX), expected, EXACT);
});

testLikeReference(
  "meanRowsBackward() of more windows than a workgroup looks at",
  ({ device, random, input, indices, output }) => {
    const [R, n, width] = [300, 700, 68];
    const first = indices([n], random.integers(n, 0, R - 5));
    device.meanRowsBackward(input([n, width]), first, output("dX", [R, width]), { count: 5 });
  },
  { atol: 1e-5, rtol: 1e-5 },
);

for (const length of [8192, 8196, 300001, 2 ** 20]) {
  testLikeReference(`sumSquares() of ${length}`, ({ device, input, output }) => {
    device.sumSquares(input([length]), output("out", [1]));
  }, { atol: 1e-6, rtol: 1e-5 });
}

testOnEach("operations take views that begin anywhere", async (device) => {
  const numbers = Float32Array.from({ length: 20 }, (_, i) => i - 7);
  using whole = device.tensor([20], { data: numbers });
  using out = device.tensor([20]);
  const [x, y] = [device.view(whole, 1, 8), device.view(whole, 4, 8)];
  device.add(x, y, device.view(out, 4, 8));
  device.add(device.view(out, 4, 4), device.view(whole, 3, 4), device.view(out, 4, 4));
  device.fill(device.view(out, 13, 4), 3);
  const expected = [0, 0, 0, 0, -13, -10, -7, -4, -1, 1, 3, 5, 0, 3, 3, 3, 3, 0, 0, 0];
  assertClose(await device.read(out), expected, EXACT);
});
