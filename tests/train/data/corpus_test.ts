import { deepEqual, equal, ok } from "node:assert/strict";
import { splitCorpus, wordsOf } from "../../../src/train/data/corpus.ts";
import { BOOK, CORPUS, encode, textOf } from "./source.ts";

Deno.test("splitCorpus() loses nothing, cuts between lines, and holds the end out", () => {
  const text = textOf([...CORPUS.train.tokens, ...CORPUS.heldOut.tokens]);
  equal(text, BOOK);
  equal(CORPUS.train.tokens.at(-1), 10);
  const share = CORPUS.heldOut.bytes / (CORPUS.heldOut.bytes + CORPUS.train.bytes);
  ok(Math.abs(share - 0.1) < 0.001, `share ${share}`);
});

Deno.test("splitCorpus() joins texts and counts bytes, not characters", () => {
  const { train, heldOut } = splitCorpus(["é\nb\n", "c\nd\n"], 0.5, encode);
  equal(textOf(train.tokens), textOf(encode("é\n\nc\n")));
  equal(train.bytes, 6);
  equal(textOf(heldOut.tokens), "b\n\nd\n");
});

Deno.test("wordsOf() takes whole lower-case words of three to nine letters, once", () => {
  deepEqual(
    wordsOf("the cat, Sat on the incomprehensible mat; x-ray isn't 3rd café dog"),
    ["cat", "dog", "mat", "the"],
  );
});
