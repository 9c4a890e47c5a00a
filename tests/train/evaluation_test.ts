import { deepEqual, equal, ok } from "node:assert/strict";
import { prepareExamination } from "../../src/train/evaluation.ts";
import { CORPUS, SOURCE } from "./data/source.ts";

Deno.test("prepareExamination() asks for every held-out token once, in context", () => {
  const source = { ...SOURCE, corpus: CORPUS.heldOut };
  const marker = { token: 256, every: 64 };
  const options = { length: 256, marker, answerRows: 0, seed: 1 };
  const { text } = prepareExamination(source, { ...options, textRows: 2 ** 20 });
  const asked = Array.from(text.targets).filter((_, t) => text.weights[t] > 0);
  deepEqual(asked, [...CORPUS.heldOut.tokens.subarray(1, asked.length + 1)]);
  // What is left over is less than a row.
  ok(CORPUS.heldOut.tokens.length - asked.length < 256);
  // All but the first row know a quarter of a row before they are asked.
  equal(text.weights.subarray(256, 512).findIndex((weight) => weight > 0), 64);

  const few = prepareExamination(source, { ...options, textRows: 5 }).text;
  equal(few.rows, 5);
  ok(few.ids.every((id) => id >= 0));
});
