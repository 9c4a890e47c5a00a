import { throws } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

// One; short of, at and past a tile of 4, 5, 6, 8, 48 or 64; long; rows of more than one block;
// steps a page apart; and no steps, whose sums are zeros.
const SHAPES = [
  ...[1, 5, 6, 7, 8, 9].map((n) => ({ m: n, k: n, n })),
  { m: 1, k: 64, n: 65 },
  { m: 47, k: 48, n: 49 },
  { m: 63, k: 65, n: 64 },
  { m: 65, k: 1, n: 63 },
  { m: 7, k: 300, n: 13 },
  { m: 97, k: 33, n: 1 },
  { m: 130, k: 257, n: 100 },
  { m: 2, k: 520, n: 131 },
  { m: 3, k: 0, n: 20 },
  { m: 13, k: 0, n: 40 },
  { m: 11, k: 5, n: 40 },
  { m: 12, k: 2, n: 33 },
  { m: 13, k: 3, n: 39 },
  { m: 14, k: 259, n: 44 },
  { m: 261, k: 6, n: 41 },
  { m: 1030, k: 7, n: 36 },
];

for (const { m, k, n } of SHAPES) {
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      for (const accumulate of [false, true]) {
        const options = { transposeA, transposeB, accumulate };
        testLikeReference(
          `matmul() ${JSON.stringify({ m, k, n, ...options })}`,
          ({ device, input, output }) => {
            const a = input(transposeA ? [k, m] : [m, k]);
            const b = input(transposeB ? [n, k] : [k, n]);
            device.matmul(a, b, output("out", [m, n]), options);
          },
          // Sums of k products of about 1 round to about √k steps of 6e-8.
          { atol: 1e-6 * Math.sqrt(k), rtol: 1e-5 },
        );
      }
    }
  }
}

testOnEach("matmul() multiplies small integers exactly", async (device) => {
  using a = device.tensor([2, 3], { data: [1, 2, 3, 4, 5, 6] });
  using b = device.tensor([3, 2], { data: [1, 0, 2, -1, 0, 3] });
  using out = device.tensor([2, 2], { data: [100, 100, 100, 100] });
  device.matmul(a, b, out);
  assertClose(await device.read(out), [5, 7, 14, 13], EXACT);
  device.matmul(a, b, out, { accumulate: true });
  assertClose(await device.read(out), [10, 14, 28, 26], EXACT);
  using square = device.tensor([2, 2]);
  device.matmul(a, a, square, { transposeB: true });
  assertClose(await device.read(square), [14, 32, 32, 77], EXACT);
  using outer = device.tensor([3, 3]);
  device.matmul(a, a, outer, { transposeA: true });
  assertClose(await device.read(outer), [17, 22, 27, 22, 29, 36, 27, 36, 45], EXACT);
});

testOnEach("matmul() refuses shapes that do not fit, and shows them", (device) => {
  using a = device.tensor([2, 3]);
  using b = device.tensor([4, 5]);
  using out = device.tensor([2, 5]);
  using integers = device.tensor([3, 5], { dtype: "i32" });
  const message = /matmul.*\[4, 5\].*\[2, 3\]/;
  throws(() => device.matmul(a, b, out), { name: "RangeError", message });
  throws(() => device.matmul(a, b, out, { transposeB: true }), { name: "RangeError", message });
  throws(() => device.matmul(a, integers, out), { name: "TypeError", message: /f32.*i32/ });
});

Deno.test("matmul() goes back as the products that the tape uses", async () => {
  await assertGradients(reference, {
    inputs: [[3, 4], [5, 4]],
    out: [3, 5],
    forward: (device, [x, weight], out) => device.matmul(x, weight, out, { transposeB: true }),
    backward(device, [x, weight], dOut, [dX, dWeight]) {
      device.matmul(dOut, weight, dX, { accumulate: true });
      device.matmul(dOut, x, dWeight, { transposeA: true, accumulate: true });
    },
  });
});
