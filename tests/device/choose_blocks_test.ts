import { throws } from "node:assert/strict";
import type { Device, Granularity } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";
import { testLikeReference, testOnEach } from "../devices.ts";

function chosenShape(by: Granularity, T: number, H: number, k: number): number[] {
  return [by === "chunk" ? 1 : T, by === "heads" ? 1 : H, k];
}

for (const by of ["token", "chunk", "heads"] as const) {
  for (const [T, H, n] of [[1, 1, 1], [1, 4, 9], [5, 2, 64], [7, 3, 65], [66, 2, 700]]) {
    for (const k of new Set([1, Math.min(4, n), Math.min(20, n), n])) {
      const name = `by ${by} of ${JSON.stringify({ T, H, n, k })}`;
      testLikeReference(`chooseBlocks() ${name}`, ({ device, input, output }) => {
        const chosen = output("chosen", chosenShape(by, T, H, k), "i32");
        device.chooseBlocks(input([T, H, n]), chosen, { by });
      }, EXACT);
    }
  }
}

async function choose(
  device: Device,
  by: Granularity,
  k: number,
  rows: readonly (readonly (readonly number[])[])[],
): Promise<number[]> {
  const [T, H, n] = [rows.length, rows[0].length, rows[0][0].length];
  using scores = device.tensor([T, H, n], { data: rows.flat(2) });
  using chosen = device.tensor(chosenShape(by, T, H, k), { dtype: "i32" });
  device.chooseBlocks(scores, chosen, { by });
  return Array.from(await device.read(chosen));
}

testOnEach("chooseBlocks() gives the best by time, and ties to the later block", async (device) => {
  for (const by of ["token", "chunk", "heads"] as const) {
    const expect = async (row: readonly number[], expected: readonly number[]) =>
      assertClose(await choose(device, by, expected.length, [[row]]), expected, EXACT, by);
    await expect([3, 1, 2, 0], [0, 2]);
    await expect([0, 0, 0, 0], [2, 3]);
    await expect([5, 0, 5, 1, 5], [2, 4]);
    await expect([5, 0, 5, 1, 5], [0, 2, 4]);
    await expect([1, 7, 1, 1], [1, 3]);
    await expect([-3, -2, -3], [0, 1, 2]);
    await expect([-1e30, 1e30, 0], [1]);
  }
});

testOnEach(
  "chooseBlocks() shares by the largest share of attention, not by logit",
  async (device) => {
    // Token 0 spreads its large logits; token 1 is sure of block 0 at small ones.
    const rows = [[[0, 9, 9, 8]], [[2, -9, -9, -9]]];
    assertClose(await choose(device, "token", 1, rows), [2, 0], EXACT);
    assertClose(await choose(device, "chunk", 1, rows), [0], EXACT);
    assertClose(await choose(device, "chunk", 2, rows), [0, 2], EXACT);
    const heads = [[[0, 9, 9, 8], [2, -9, -9, -9]]];
    assertClose(await choose(device, "token", 1, heads), [2, 0], EXACT);
    assertClose(await choose(device, "heads", 1, heads), [0], EXACT);
    // Every head has a set of its own, and so has every token.
    const both = [[[1, 2], [2, 1]], [[1, 2], [2, 1]]];
    assertClose(await choose(device, "chunk", 1, both), [1, 0], EXACT);
    const tokens = [[[1, 2], [1, 2]], [[2, 1], [2, 1]]];
    assertClose(await choose(device, "heads", 1, tokens), [1, 0], EXACT);
  },
);

testOnEach("chooseBlocks() refuses a k or a shape that is out of range", (device) => {
  using scores = device.tensor([2, 3, 4]);
  using many = device.tensor([2, 3, 5], { dtype: "i32" });
  using shared = device.tensor([1, 3, 2], { dtype: "i32" });
  using reals = device.tensor([2, 3, 2]);
  const wrong = { name: "RangeError", message: /chooseBlocks/ };
  throws(() => device.chooseBlocks(scores, many, { by: "token" }), wrong);
  throws(() => device.chooseBlocks(scores, shared, { by: "token" }), wrong);
  throws(() => device.chooseBlocks(scores, shared, { by: "heads" }), wrong);
  throws(() => device.chooseBlocks(scores, reals, { by: "token" }), { name: "TypeError" });
});
