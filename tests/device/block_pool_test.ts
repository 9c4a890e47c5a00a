import { throws } from "node:assert/strict";
import { fromHalf, toHalf } from "../../src/device/reference/half.ts";
import { assertClose, EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

for (const [n, M, G, D] of [[1, 2, 1, 1], [3, 7, 2, 5], [2, 16, 2, 64], [1, 65, 3, 24]]) {
  for (const dtype of ["f32", "f16"] as const) {
    testLikeReference(
      `sealBlocks() of ${JSON.stringify({ n, M, G, D, dtype })}`,
      ({ device, input, output }) => {
        const out = output("out", [n, G, 2, M, D], dtype);
        device.sealBlocks(input([n * M, G, D]), input([n * M, G, D]), out);
      },
      EXACT,
    );
  }
}

testOnEach("sealBlocks() puts a head's keys before its values, block by block", async (device) => {
  // Two blocks of two tokens, two heads: a key is 100·token + 10·head + d, a value minus that.
  const [S, G, D, M] = [4, 2, 3, 2];
  const key = (t: number, g: number, d: number) => 100 * t + 10 * g + d;
  const data = Array.from(
    { length: S * G * D },
    (_, i) => key(Math.floor(i / (G * D)), Math.floor(i / D) % G, i % D),
  );
  using k = device.tensor([S, G, D], { data });
  using v = device.tensor([S, G, D], { data: data.map((x) => -x) });
  using out = device.tensor([S / M, G, 2, M, D]);
  device.sealBlocks(k, v, out);
  const expected: number[] = [];
  for (const block of [0, 1]) {
    for (const g of [0, 1]) {
      for (const sign of [1, -1]) {
        for (const m of [0, 1]) {
          for (const d of [0, 1, 2]) expected.push(sign * key(block * M + m, g, d));
        }
      }
    }
  }
  assertClose(Array.from(await device.read(out), (x) => x || 0), expected, EXACT);
});

testOnEach("sealBlocks() rounds to f16 to the nearest, ties to even", async (device) => {
  const ties = [0, 1, 2, 1022, 1023, 1024, 20000].map((pattern) =>
    (fromHalf(pattern) + fromHalf(pattern + 1)) / 2
  );
  const numbers = [...ties, ...ties.map((x) => -x), 0.1, 1e-9, -65519, 65504, 3.14159, 2e-5];
  const data = numbers.map(Math.fround);
  const D = data.length / 2;
  using k = device.tensor([2, 1, D], { data });
  using out = device.tensor([1, 1, 2, 2, D], { dtype: "f16" });
  device.sealBlocks(k, k, out);
  const patterns = data.map(toHalf);
  assertClose(await device.read(out), [...patterns, ...patterns], EXACT);
});

testOnEach("sealBlocks() and loadBlocks() refuse what does not fit", (device) => {
  using k = device.tensor([5, 1, 4]);
  using out = device.tensor([2, 1, 2, 2, 4]);
  throws(() => device.sealBlocks(k, k, out), {
    name: "RangeError",
    message: /sealBlocks.*5|5.*sealBlocks/,
  });
  using pool = device.blockPool(3, { blockSize: 2, headDim: 4 });
  using pieces = device.tensor([2, 2, 2, 4]);
  using wide = device.tensor([2, 2, 2, 8]);
  using entries = device.tensor([2], { dtype: "i32" });
  using three = device.tensor([3], { dtype: "i32" });
  throws(() => device.loadBlocks(wide, pool, entries), {
    name: "RangeError",
    message: /loadBlocks/,
  });
  throws(() => device.loadBlocks(pieces, pool, three), { name: "RangeError", message: /\[3\]/ });
  device.write(entries, [0, 3]);
  const outside = { name: "RangeError", message: /entries .*\[0, 3\).* 3\b/ };
  throws(() => device.loadBlocks(pieces, pool, entries), outside);
  throws(() => device.blockPool(0, { blockSize: 2, headDim: 4 }), RangeError);
});
