import { deepEqual, equal, match, notEqual, ok, throws } from "node:assert/strict";
import {
  filler,
  firstInteger,
  type Haystack,
  HAYSTACK_KINDS,
  idsOf,
  makeHaystacks,
  type Variant,
} from "../../src/eval/haystacks.ts";
import { byteTokenizer } from "../../src/model/tokenizer/byte_tokenizer.ts";
import { random } from "../../src/train/data/random.ts";

const BOOK = Array.from(
  { length: 300 },
  (_, i) => `Paragraph ${"x".repeat(i % 7)} of rays that are reflected and refracted.\n\n`,
).join("").replaceAll(/\d/g, "");

const tokenizer = byteTokenizer();

/** All that a variant's reader has read. */
function textOf(haystack: Haystack, variant: Variant): string {
  return tokenizer.decode(idsOf(haystack, variant));
}

for (const kind of HAYSTACK_KINDS) {
  Deno.test(`makeHaystacks() hides each key once where it says, in "${kind}"`, () => {
    const haystacks = makeHaystacks(kind, {
      length: 6000,
      questions: 12,
      book: BOOK,
      tokenizer,
      random: random(7),
    });
    equal(haystacks.length, 3);
    const variants = haystacks.flatMap(({ variants }) => variants);
    equal(variants.flatMap(({ questions }) => questions).length, 12);
    for (const haystack of haystacks) {
      equal(haystack.ids.length, 5900);
      for (const variant of haystack.variants) {
        const text = textOf(haystack, variant);
        equal(text.length, 5900);
        const sentences = text.match(/\nThe pass key.{0,20} is \d+\..*\n/g) ?? [];
        equal(sentences.length, kind === "distractors" ? 5 : 1, "seed 7");
        for (const { at, ids } of variant.needles) {
          // No word is cut: letters on both sides of a border there were before would be a word.
          const filler = tokenizer.decode(haystack.ids);
          match(filler.slice(at - 1, at + 1), /^$|\s/);
          match(filler.slice(at + ids.length - 1, at + ids.length + 1), /^$|\s/);
        }
        for (const { key, depth, prompt } of variant.questions) {
          const place = text.indexOf(key);
          ok(place > 0, `seed 7: ${key} is missing`);
          ok(Math.abs(place / text.length - depth) < 0.02, `depth ${depth}, place ${place}`);
          ok(!prompt.includes(key));
          ok(prompt.length <= 100);
        }
      }
    }
  });
}

Deno.test("makeHaystacks() asks more of a long filler, and of all parts of its depth alike", () => {
  for (const kind of ["text", "distractors"] as const) {
    const haystacks = makeHaystacks(kind, {
      length: 60_000,
      questions: 20,
      book: BOOK,
      tokenizer,
      random: random(3),
    });
    deepEqual(
      haystacks.map(({ variants }) => variants.flatMap(({ questions }) => questions).length),
      [14, 6],
    );
    const depths = haystacks[0].variants.flatMap(({ questions }) =>
      questions.map(({ depth }) => Math.floor(depth * 5))
    );
    deepEqual(depths.slice(0, 5), [0, 1, 2, 3, 4]);
    deepEqual(depths.slice(5, 10), [0, 1, 2, 3, 4]);
    equal(new Set(depths.slice(10)).size, 4);
  }
});

Deno.test("makeHaystacks() follows from its seed alone", () => {
  const make = (seed: number) =>
    makeHaystacks("distractors", {
      length: 3000,
      questions: 5,
      book: BOOK,
      tokenizer,
      random: random(seed),
    });
  deepEqual(make(1), make(1));
  notEqual(make(1)[0].variants[0].questions[0].key, make(2)[0].variants[0].questions[0].key);
});

Deno.test("makeHaystacks() says the paper's lines", () => {
  const [haystack] = makeHaystacks("paper", {
    length: 2000,
    questions: 1,
    book: "",
    tokenizer,
    random: random(5),
  });
  const [variant] = haystack.variants;
  match(
    tokenizer.decode(haystack.ids),
    /^There is an important info hidden inside a lot of irrelevant text\. Find it/,
  );
  match(
    tokenizer.decode(variant.needles[0].ids),
    /^\nThe pass key is (\d+)\. Remember it\. \1 is the pass key\.\n$/,
  );
  const [{ prompt, key }] = variant.questions;
  equal(prompt, "\nWhat is the pass key? The pass key is");
  ok(Number(key) >= 1 && Number(key) <= 50_000);
});

Deno.test("makeHaystacks() refuses a text too short for its keys", () => {
  throws(
    () =>
      makeHaystacks("text", {
        length: 100,
        questions: 1,
        book: BOOK,
        tokenizer,
        random: random(1),
      }),
    { name: "RangeError", message: /at least 2000 ids: current value is 100/ },
  );
});

Deno.test("filler() is a window of the book, or the book's pages shuffled", () => {
  const window = filler(BOOK, 1000, random(2));
  equal(window.length, 1000);
  ok(BOOK.includes(window));
  const long = filler(BOOK, 3 * BOOK.length, random(2));
  equal(long.length, 3 * BOOK.length);
  const lines = new Set(BOOK.split("\n"));
  ok(long.split("\n").slice(0, -1).every((line) => lines.has(line)));
});

Deno.test("firstInteger() finds the first run of digits", () => {
  equal(firstInteger(" 00412. And 7"), "00412");
  equal(firstInteger("none"), undefined);
});
