import { deepEqual, equal, match, notEqual, ok, throws } from "node:assert/strict";
import { filler, firstInteger, HAYSTACK_KINDS, makeHaystacks } from "../../src/eval/haystacks.ts";
import { random } from "../../src/train/data/random.ts";

const BOOK = Array.from(
  { length: 300 },
  (_, i) => `Paragraph ${"x".repeat(i % 7)} of rays that are reflected and refracted.\n\n`,
).join("").replaceAll(/\d/g, "");

/** What a question's reader has read. */
function prompt(text: string, at: number, insert: string): string {
  return text.slice(0, at) + insert + text.slice(at);
}

for (const kind of HAYSTACK_KINDS) {
  Deno.test(`makeHaystacks() hides each key once where it says, in "${kind}"`, () => {
    const haystacks = makeHaystacks(kind, {
      length: 6000,
      questions: 12,
      book: BOOK,
      random: random(7),
    });
    equal(haystacks.flatMap(({ questions }) => questions).length, 12);
    for (const { text, questions } of haystacks) {
      for (const { at, insert, key, depth, prompt: question } of questions) {
        const whole = prompt(text, at, insert);
        const place = whole.indexOf(key);
        ok(place > 0, `seed 7: ${key} is missing`);
        ok(Math.abs(place / whole.length - depth) < 0.08, `depth ${depth}, place ${place}`);
        ok(whole.length + question.length <= 6000, `${whole.length + question.length} letters`);
        ok(whole.length > 5000, `${whole.length} letters`);
        const sentences = whole.match(/The pass key.{0,20} is \d+\./g) ?? [];
        equal(sentences.length, kind === "distractors" ? 5 : 1);
        ok(!question.includes(key));
      }
      deepEqual(questions.map(({ at }) => at), questions.map(({ at }) => at).sort((a, b) => a - b));
    }
  });
}

Deno.test("makeHaystacks() spreads five questions over the fifths of the depth", () => {
  const [{ questions }] = makeHaystacks("text", {
    length: 9000,
    questions: 5,
    book: BOOK,
    random: random(3),
  });
  deepEqual(questions.map(({ depth }) => Math.floor(depth * 5)), [0, 1, 2, 3, 4]);
});

Deno.test("makeHaystacks() follows from its seed alone", () => {
  const make = (seed: number) =>
    makeHaystacks("distractors", { length: 3000, questions: 5, book: BOOK, random: random(seed) });
  deepEqual(make(1), make(1));
  notEqual(make(1)[0].text, make(2)[0].text);
});

Deno.test("makeHaystacks() says the paper's lines", () => {
  const [{ text, questions }] = makeHaystacks("paper", {
    length: 2000,
    questions: 1,
    book: "",
    random: random(5),
  });
  match(text, /^There is an important info hidden inside a lot of irrelevant text\. Find it/);
  match(questions[0].insert, /^\nThe pass key is (\d+)\. Remember it\. \1 is the pass key\.\n$/);
  equal(questions[0].prompt, "\nWhat is the pass key? The pass key is");
  ok(Number(questions[0].key) >= 1 && Number(questions[0].key) <= 50_000);
});

Deno.test("makeHaystacks() refuses a text too short for its keys", () => {
  throws(
    () => makeHaystacks("text", { length: 100, questions: 1, book: BOOK, random: random(1) }),
    { name: "RangeError", message: /at least 600 letters: current value is 100/ },
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
