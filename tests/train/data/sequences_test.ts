import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { splitCorpus } from "../../../src/train/data/corpus.ts";
import { random } from "../../../src/train/data/random.ts";
import {
  makeSequence,
  type Mixture,
  type Sequence,
  type SequenceKind,
  sequenceSource,
} from "../../../src/train/data/sequences.ts";
import { encode, only, SOURCE, textOf } from "./source.ts";

const KINDS: SequenceKind[] = ["text", "pairsInText", "densePairs", "copy"];

/** The stretches of tokens that weigh `weight`. */
function weighing(sequence: Sequence, weight: number): string[] {
  return textOf(Array.from(sequence.tokens, (id, i) => sequence.weights[i] === weight ? id : 0))
    .split(/\0+/).filter((part) => part !== "");
}

for (const kind of KINDS) {
  for (const length of [64, 190, 505, 1009]) {
    Deno.test(`makeSequence() makes ${kind} of exactly ${length} tokens`, () => {
      for (let seed = 0; seed < 50; seed++) {
        const sequence = makeSequence(SOURCE, random(seed), { length, mixture: only(kind) });
        equal(sequence.kind, kind);
        equal(sequence.tokens.length, length);
        equal(sequence.weights.length, length);
        // No gap is left: text has no zero byte.
        ok(sequence.tokens.every((id) => id > 0), `seed ${seed}`);
      }
    });
  }
}

for (const kind of ["pairsInText", "densePairs"] as const) {
  Deno.test(`makeSequence() asks in ${kind} only for what it told before`, () => {
    let answers = 0;
    for (let seed = 0; seed < 100; seed++) {
      const sequence = makeSequence(SOURCE, random(seed), { length: 505, mixture: only(kind) });
      const told = weighing(sequence, 0);
      const asked = weighing(sequence, 5);
      deepEqual(asked.toSorted(), told.toSorted(), `seed ${seed}`);
      const first = sequence.weights.indexOf(0);
      ok(sequence.weights.indexOf(5) > first || first < 0, `seed ${seed}`);
      answers += asked.length;
    }
    ok(answers > 100, `${answers} answers in 100 sequences`);
  });
}

Deno.test("makeSequence() puts borders between name and value where it shall", () => {
  const every = 63;
  const topic = { thing: "pin", template: { statement: "Pin of {n}: {v}.", question: "{n}={v}." } };
  /** The share of statements with a border behind their first word and before the value's end. */
  const shareCut = (share: number): number => {
    let [cut, all] = [0, 0];
    for (let seed = 0; seed < 150; seed++) {
      const options = { length: 1009, mixture: only("pairsInText"), topic };
      const { tokens } = makeSequence(SOURCE, random(seed), {
        ...options,
        cuts: share > 0 ? { share, every } : undefined,
      });
      for (const match of textOf(tokens).matchAll(/Pin of [^:]*: [^.]*/g)) {
        const [from, to] = [match.index + 4, match.index + match[0].length - 1];
        all++;
        if (Math.floor(from / every) < Math.floor(to / every)) cut++;
      }
    }
    return cut / all;
  };
  const [none, some, most] = [0, 0.5, 1].map(shareCut);
  // Not all: a gap that makes it may be too far, or behind the end of the text.
  ok(none < 0.5 && most > 0.85, `${none}, ${most}`);
  ok(some > none + 0.1 && some < most - 0.1, `${none}, ${some}, ${most}`);
});

Deno.test("makeSequence() marks the whole of a nameless key, and nothing else", () => {
  let marked = 0;
  for (let seed = 0; seed < 200; seed++) {
    const options = { length: 505, mixture: only("pairsInText") };
    const { tokens, nameless } = makeSequence(SOURCE, random(seed), options);
    const text = textOf(tokens.map((id, i) => nameless[i] ? id : 10));
    const keys = text.match(/What is the [a-z ]+\? The [a-z ]+ is \w+\./g) ?? [];
    const asked = textOf(tokens).match(/What is the [a-z ]+\? The [a-z ]+ is \w+\./g) ?? [];
    // A question without a name ("of", "for") is nameless, and there is no other sort.
    const without = asked.filter((question) => !/ of | for /.test(question));
    deepEqual(keys, without, `seed ${seed}`);
    marked += keys.length;
  }
  ok(marked > 20, `${marked} nameless keys in 200 sequences`);
});

Deno.test("makeSequence() copies a span in copy", () => {
  for (let seed = 0; seed < 20; seed++) {
    const { tokens } = makeSequence(SOURCE, random(seed), { length: 505, mixture: only("copy") });
    const text = textOf(tokens);
    const twice = Array.from({ length: 445 }, (_, i) => text.slice(i, i + 60))
      .some((span, i) => text.indexOf(span, i + 60) >= 0);
    ok(twice, `seed ${seed}`);
  }
});

Deno.test("makeSequence() keeps to the mixture", () => {
  const mixture: Mixture = { text: 2, pairsInText: 1, densePairs: 0, copy: 1 };
  const counts: Record<SequenceKind, number> = { text: 0, pairsInText: 0, densePairs: 0, copy: 0 };
  for (let seed = 0; seed < 2000; seed++) {
    counts[makeSequence(SOURCE, random(seed), { length: 64, mixture }).kind]++;
  }
  equal(counts.densePairs, 0);
  ok(Math.abs(counts.text - 1000) < 80, `text ${counts.text}`);
  ok(Math.abs(counts.copy - 500) < 70, `copy ${counts.copy}`);
});

Deno.test("sequenceSource() refuses what no sequence can be made from", () => {
  const few = splitCorpus(["one two six"], 0, encode);
  throws(() => sequenceSource(few, encode, { length: 12, mixture: only("text") }), {
    name: "RangeError",
    message: "Cannot train on 12 tokens at once as the text must hold as many: current value is 11",
  });
  throws(() => sequenceSource(few, encode, { length: 11, mixture: only("pairsInText") }), {
    name: "RangeError",
    message:
      "Cannot make pairs as the text must hold at least 20 different words: current value is 3",
  });
  equal(sequenceSource(few, encode, { length: 11, mixture: only("text") }).words.length, 3);
});
