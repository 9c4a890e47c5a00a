import { throws } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { reference, testLikeReference, testOnEach } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

/** [P, D/2, 2] with angles that differ for every pair. */
function rotations(positions: number, half: number): Float64Array {
  const table = new Float64Array(positions * half * 2);
  for (let p = 0; p < positions; p++) {
    for (let i = 0; i < half; i++) {
      const angle = p * 100 ** (-i / half);
      table[(p * half + i) * 2] = Math.cos(angle);
      table[(p * half + i) * 2 + 1] = Math.sin(angle);
    }
  }
  return table;
}

for (const D of [2, 8, 10, 24, 40, 64, 128]) {
  for (const [T, H] of [[1, 1], [3, 2], [65, 3]]) {
    for (const inverse of [false, true]) {
      for (const accumulate of [false, true]) {
        const name = JSON.stringify({ T, H, D, inverse, accumulate });
        testLikeReference(`rope() ${name}`, ({ device, random, input, indices, output }) => {
          const table = input([50, D / 2, 2], rotations(50, D / 2));
          const positions = indices([T], random.integers(T, 0, 49));
          const out = output("out", [T, H, D]);
          device.rope(input([T, H, D]), positions, table, out, { inverse, accumulate });
        }, { atol: 1e-6, rtol: 1e-5 });
      }
    }
  }
}

testOnEach("rope() turns halves against each other, in place too", async (device) => {
  // Position 1 turns the first pair by 90°, the second not at all.
  using table = device.tensor([2, 2, 2], { data: [1, 0, 1, 0, 0, 1, 1, 0] });
  using x = device.tensor([2, 1, 4], { data: [1, 2, 3, 4, 5, 6, 7, 8] });
  using positions = device.tensor([2], { dtype: "i32", data: [0, 1] });
  device.rope(x, positions, table, x);
  assertClose(await device.read(x), [1, 2, 3, 4, -7, 6, 5, 8], EXACT);
  device.rope(x, positions, table, x, { inverse: true });
  assertClose(await device.read(x), [1, 2, 3, 4, 5, 6, 7, 8], EXACT);
});

testOnEach("rope() keeps scores dependent on distance alone", async (device) => {
  const D = 16;
  using table = device.tensor([40, D / 2, 2], { data: rotations(40, D / 2) });
  using x = device.tensor([4, D], { data: Float64Array.from({ length: 4 * D }, (_, i) => i % D) });
  using positions = device.tensor([4], { dtype: "i32", data: [3, 7, 35, 39] });
  device.rope(x, positions, table, x);
  using scores = device.tensor([4, 4]);
  device.matmul(x, x, scores, { transposeB: true });
  const products = await device.read(scores);
  assertClose([products[1]], [products[11]], { atol: 1e-3, rtol: 1e-5 }); // products of some 1000
});

testOnEach("rope() refuses a table of another width, and a position past its end", (device) => {
  using x = device.tensor([2, 8]);
  using positions = device.tensor([2], { dtype: "i32" });
  using table = device.tensor([3, 2, 2]);
  throws(() => device.rope(x, positions, table, x), { name: "RangeError", message: /rope/ });
  using right = device.tensor([3, 4, 2]);
  device.write(positions, [0, 3]);
  const wrong = { name: "RangeError", message: /positions .*\[0, 3\).* 3\b/ };
  throws(() => device.rope(x, positions, right, x), wrong);
});

Deno.test("rope() turned back is its own backward pass", async () => {
  using table = reference.tensor([9, 2, 2], { data: rotations(9, 2) });
  using positions = reference.tensor([3], { dtype: "i32", data: [4, 8, 1] });
  await assertGradients(reference, {
    inputs: [[3, 2, 4]],
    out: [3, 2, 4],
    forward: (device, [x], out) => device.rope(x, positions, table, out),
    backward: (device, _, dOut, [dX]) =>
      device.rope(dOut, positions, table, dX, { inverse: true, accumulate: true }),
  });
});
