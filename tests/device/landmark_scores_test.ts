import { throws } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

/** T, H, G, D, K, and how many landmarks each segment has. */
const SHAPES = [
  { T: 1, H: 1, G: 1, D: 8, K: 1, segments: [1] },
  { T: 1, H: 4, G: 2, D: 64, K: 4, segments: [64, 64, 7] },
  { T: 3, H: 2, G: 2, D: 5, K: 2, segments: [3] },
  { T: 2, H: 3, G: 1, D: 40, K: 6, segments: [2, 2] },
  { T: 7, H: 6, G: 2, D: 24, K: 3, segments: [65] },
  { T: 65, H: 2, G: 1, D: 16, K: 4, segments: [47, 1, 49] },
  { T: 4, H: 2, G: 1, D: 128, K: 1, segments: [300] },
];

for (const { T, H, G, D, K, segments } of SHAPES) {
  const most = segments.reduce((a, b) => a + b);
  for (const n of new Set([1, Math.min(K, most), Math.min(K + 1, most), most])) {
    const name = JSON.stringify({ T, H, G, D, K, n, segments });
    testLikeReference(`landmarkScores() ${name}`, ({ device, random, input, indices, output }) => {
      // Blocks in any order, as they lie when some were evicted.
      const order = Array.from({ length: most }, (_, i) => [random.uniform(), i] as const)
        .sort(([a], [b]) => a - b).slice(0, n).map(([, i]) => i);
      device.landmarkScores(
        input([T, K + 1, H, D]),
        segments.map((P) => input([P, G, D])),
        indices([n], order),
        output("scores", [T, H, n]),
        n === 1 ? { scale: 0.7 } : {},
      );
    }, { atol: 2e-6, rtol: 1e-5 });
  }
}

testOnEach(
  "landmarkScores() sees old blocks from slot 0 and the last K from 1 … K",
  async (device) => {
    // The query is s + 1 as seen from slot s; landmark p is 10^p.
    using queries = device.tensor([1, 3, 1, 1], { data: [1, 2, 3] });
    using first = device.tensor([2, 1, 1], { data: [1, 10] });
    using second = device.tensor([2, 1, 1], { data: [100, 1000] });
    using order = device.tensor([4], { dtype: "i32", data: [0, 1, 2, 3] });
    using scores = device.tensor([1, 1, 4]);
    device.landmarkScores(queries, [first, second], order, scores);
    assertClose(await device.read(scores), [1, 10, 200, 3000], EXACT);
    // One block only: it takes the last slot.
    using one = device.tensor([1], { dtype: "i32", data: [3] });
    using score = device.tensor([1, 1, 1]);
    device.landmarkScores(queries, [first, second], one, score, { scale: 2 });
    assertClose(await device.read(score), [6000], EXACT);
  },
);

testOnEach("landmarkScores() refuses what does not fit", (device) => {
  using queries = device.tensor([1, 3, 4, 8]);
  using three = device.tensor([2, 3, 8]);
  using two = device.tensor([2, 2, 8]);
  using order = device.tensor([2], { dtype: "i32" });
  using scores = device.tensor([1, 4, 2]);
  using more = device.tensor([1, 4, 3]);
  const wrong = { name: "RangeError", message: /landmarkScores/ };
  throws(() => device.landmarkScores(queries, [three], order, scores), wrong);
  throws(() => device.landmarkScores(queries, [two, three], order, scores), wrong);
  throws(() => device.landmarkScores(queries, [two], order, more), wrong);
  throws(() => device.landmarkScores(queries, [], order, scores), wrong);
  device.write(order, [0, 2]);
  const outside = { name: "RangeError", message: /order .*\[0, 2\).* 2\b/ };
  throws(() => device.landmarkScores(queries, [two], order, scores), outside);
});
