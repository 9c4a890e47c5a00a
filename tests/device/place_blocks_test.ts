import { throws } from "node:assert/strict";
import { EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

for (
  const { R, H, G, k, n, K, shared } of [
    { R: 1, H: 1, G: 1, k: 1, n: 1, K: 4, shared: false },
    { R: 3, H: 4, G: 2, k: 3, n: 9, K: 3, shared: false },
    { R: 5, H: 6, G: 2, k: 4, n: 70, K: 6, shared: true },
    { R: 65, H: 3, G: 3, k: 2, n: 300, K: 2, shared: false },
  ]
) {
  testLikeReference(
    `placeBlocks() ${JSON.stringify({ R, H, G, k, n, K, shared })}`,
    ({ device, indices, output, random }) => {
      const C = shared ? 1 : H;
      const sets = Array.from({ length: R * C }, () => {
        const places = Array.from({ length: n }, (_, j) => [random.uniform(), j]);
        return places.sort(([a], [b]) => a - b).slice(0, k).map(([, j]) => j).sort((a, b) => a - b);
      });
      const chosen = indices([R, C, k], sets.flat());
      const order = indices([n], Array.from({ length: n }, (_, j) => (j * 7 + 3) % (2 * n)));
      const entries = output("entries", [R, H, k], "i32");
      const slots = output("slots", [R, H, k], "i32");
      device.placeBlocks(chosen, order, entries, slots, {
        layer: 2,
        kvHeads: G,
        pieces: 3 * G,
        topBlocks: K,
      });
    },
    EXACT,
  );
}

testOnEach("placeBlocks() refuses what does not fit", (device) => {
  using chosen = device.tensor([1, 2, 2], { dtype: "i32", data: [0, 1, 0, 5] });
  using order = device.tensor([5], { dtype: "i32" });
  using entries = device.tensor([1, 2, 2], { dtype: "i32" });
  using slots = device.tensor([1, 2, 2], { dtype: "i32" });
  const options = { layer: 0, kvHeads: 2, pieces: 4, topBlocks: 2 };
  const place = (changes: Partial<typeof options>) => () =>
    device.placeBlocks(chosen, order, entries, slots, { ...options, ...changes });
  throws(place({}), { name: "RangeError", message: /chosen must be in \[0, 5\).*5/ });
  throws(place({ layer: 2 }), { name: "RangeError", message: /layer.*\[0, 1\]/ });
  throws(place({ topBlocks: 1 }), { name: "RangeError", message: /topBlocks/ });
  throws(place({ kvHeads: 3 }), { name: "RangeError", message: /kvHeads/ });
});
