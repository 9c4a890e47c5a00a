import { deepEqual, equal, ok } from "node:assert/strict";
import { drawNegatives, indexTable } from "../../../src/train/data/negatives.ts";
import { random } from "../../../src/train/data/random.ts";
import type { SequenceKind } from "../../../src/train/data/sequences.ts";

Deno.test("indexTable() gives a row the first so many blocks but its own", () => {
  // Two rows of three blocks; the case of the golden training step.
  deepEqual(
    [...indexTable(Int32Array.of(5, 1, 3), [3, 2], 3)],
    [0, -1, 2, -1, 1, -1],
  );
});

Deno.test("drawNegatives() leaves out nameless blocks and repeats none", () => {
  const batch = { rows: 4, length: 16, kinds: new Array<SequenceKind>(4).fill("text") };
  const nameless = Uint8Array.of(0, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0);
  const rows = {
    ...batch,
    nameless,
    ids: new Int32Array(64),
    targets: new Int32Array(64),
    weights: new Float32Array(64),
  };
  const always = { text: 1, pairsInText: 1, densePairs: 1, copy: 1 };
  for (let seed = 0; seed < 50; seed++) {
    const negatives = drawNegatives(rows, random(seed), {
      count: 8,
      least: 3,
      probability: always,
      places: "first",
      weight: 1,
    })!;
    equal(negatives.places, undefined);
    equal(negatives.blocks.length, 8);
    equal(new Set(negatives.blocks).size, 8);
    ok(negatives.blocks.every((block) => nameless[block] === 0));
    for (let row = 0; row < 4; row++) {
      const seen = negatives.index.subarray(row * 8, row * 8 + 8);
      for (const [n, entry] of seen.entries()) {
        ok(entry === -1 || entry === n);
        if (entry !== -1) ok(Math.floor(negatives.blocks[entry] / 4) !== row);
      }
    }
  }
  const never = { text: 0, pairsInText: 1, densePairs: 1, copy: 1 };
  equal(
    drawNegatives(rows, random(1), {
      count: 8,
      least: 3,
      probability: never,
      places: "first",
      weight: 1,
    }),
    undefined,
  );
});

Deno.test("drawNegatives() spreads places as a row's own blocks are, and weights over powers", () => {
  const [inRow, count] = [8, 64];
  const rows = {
    rows: 16,
    length: 8 * inRow,
    kinds: new Array<SequenceKind>(16).fill("text"),
    nameless: new Uint8Array(16 * inRow),
    ids: new Int32Array(0),
    targets: new Int32Array(0),
    weights: new Float32Array(0),
  };
  const always = { text: 1, pairsInText: 1, densePairs: 1, copy: 1 };
  const options = { count, least: 1, probability: always, weight: 64 } as const;
  const found = new Float64Array(inRow);
  const weights: number[] = [];
  for (let seed = 0; seed < 200; seed++) {
    const spread = drawNegatives(rows, random(seed), { ...options, places: "spread" })!;
    const first = drawNegatives(rows, random(seed), { ...options, places: "first" })!;
    // What else was drawn is the same.
    deepEqual(spread.blocks, first.blocks);
    deepEqual(spread.index, first.index);
    weights.push(spread.weight!);
    for (const place of spread.places!) found[place] += 1 / (200 * count);
  }
  ok(weights.every((weight) => weight >= 1 && weight < 64));
  const below8 = weights.filter((weight) => weight < 8).length / weights.length;
  ok(Math.abs(below8 - 0.5) < 0.1, `${below8} of the weights are below 8 of 64`);
  // A token of block b has the b blocks before it, each as likely; b = 1 … 8 as likely.
  for (let place = 0; place < inRow; place++) {
    let expected = 0;
    for (let before = place + 1; before <= inRow; before++) expected += 1 / before / inRow;
    ok(Math.abs(found[place] - expected) < 0.01, `${place}: ${found[place]}, not ${expected}`);
  }
});
