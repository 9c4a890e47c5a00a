import { deepEqual, equal } from "node:assert/strict";
import { random } from "../../../src/train/data/random.ts";
import { makeRows, sequenceLength } from "../../../src/train/data/rows.ts";
import { makeSequence, type Sequence } from "../../../src/train/data/sequences.ts";
import { only, SOURCE } from "./source.ts";

Deno.test("makeRows() puts landmarks in and asks across them", () => {
  const sequence: Sequence = {
    kind: "text",
    tokens: Int32Array.of(10, 11, 12, 13, 14, 15, 16),
    weights: Float32Array.of(9, 1, 2, 0, 5, 6, 7),
    nameless: Uint8Array.of(0, 0, 0, 0, 1, 0, 0),
  };
  const marker = { token: 99, every: 4 };
  equal(sequenceLength(8, marker), 7);
  const rows = makeRows([sequence, sequence], { length: 8, marker });
  const one = {
    ids: [10, 11, 12, 99, 13, 14, 15, 99],
    targets: [11, 12, 13, -1, 14, 15, 16, -1],
    weights: [1, 2, 0, 0, 5, 6, 7, 0],
    nameless: [0, 1],
  };
  deepEqual([...rows.ids], [...one.ids, ...one.ids]);
  deepEqual([...rows.targets], [...one.targets, ...one.targets]);
  deepEqual([...rows.weights], [...one.weights, ...one.weights]);
  deepEqual([...rows.nameless], [...one.nameless, ...one.nameless]);
});

Deno.test("makeRows() without a marker only shifts", () => {
  const sequence = makeSequence(SOURCE, random(3), {
    length: sequenceLength(8, undefined),
    mixture: only("text"),
  });
  const rows = makeRows([sequence], { length: 8, marker: undefined });
  deepEqual([...rows.ids], [...sequence.tokens.subarray(0, 8)]);
  deepEqual([...rows.targets], [...sequence.tokens.subarray(1)]);
  equal(rows.nameless.length, 0);
});
