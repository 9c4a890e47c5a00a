import { deepEqual, equal, notDeepEqual, ok, throws } from "node:assert/strict";
import { makeBatch } from "../../src/train/data/batch.ts";
import { type SplitCorpus, splitCorpus, wordsOf } from "../../src/train/data/corpus.ts";
import { drawTopic, makePairs } from "../../src/train/data/pairs.ts";
import { random } from "../../src/train/data/random.ts";
import { prepareExamination } from "../../src/train/evaluation.ts";
import { makeRows, sequenceLength } from "../../src/train/data/rows.ts";
import {
  makeSequence,
  type Mixture,
  type Sequence,
  type SequenceKind,
  sequenceSource,
} from "../../src/train/data/sequences.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const BOOK = Deno.readTextFileSync(new URL("../../books/opticks.txt", import.meta.url));
const CORPUS: SplitCorpus = splitCorpus([BOOK], 0.1, encode);
const KINDS: SequenceKind[] = ["text", "pairsInText", "densePairs", "copy"];

function only(kind: SequenceKind): Mixture {
  return { text: 0, pairsInText: 0, densePairs: 0, copy: 0, [kind]: 1 };
}

const SOURCE = sequenceSource(CORPUS, encode, { length: 1009, mixture: only("densePairs") });

function textOf(tokens: Iterable<number>): string {
  return new TextDecoder().decode(Uint8Array.from(tokens));
}

/** The stretches of tokens that weigh `weight`. */
function weighing(sequence: Sequence, weight: number): string[] {
  return textOf(Array.from(sequence.tokens, (id, i) => sequence.weights[i] === weight ? id : 0))
    .split(/\0+/).filter((part) => part !== "");
}

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

Deno.test("random() follows from its seed, and different seeds are unrelated", () => {
  const draw = (...seed: number[]) => {
    const source = random(...seed);
    return Array.from({ length: 8 }, () => source.below(1000));
  };
  deepEqual(draw(1, 2), draw(1, 2));
  notDeepEqual(draw(1, 2), draw(2, 1));
  notDeepEqual(draw(1), draw(1, 0));
  notDeepEqual(draw(2 ** 32), draw(0));
});

Deno.test("random() is uniform, and normal where it says so", () => {
  const source = random(7);
  const n = 20_000;
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < n; i++) buckets[source.below(10)]++;
  // Three times the standard deviation of a bucket, and a little more.
  for (const count of buckets) ok(Math.abs(count - n / 10) < 150, `buckets ${buckets}`);
  const normals = Array.from({ length: n }, () => source.normal());
  const mean = normals.reduce((a, b) => a + b) / n;
  const variance = normals.reduce((sum, x) => sum + x * x, 0) / n;
  ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `mean ${mean}, variance ${variance}`);
});

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

Deno.test("makePairs() never asks two pairs by one name", () => {
  for (let seed = 0; seed < 200; seed++) {
    const pairs = makePairs(random(seed), { count: 24, short: 0.6, words: SOURCE.words });
    const questions = pairs.map(({ question }) =>
      question.map(({ text, weight }) => weight === 5 ? "…" : text).join("")
    );
    // The same name with two things in two phrasings would still be one name.
    equal(new Set(questions).size, questions.length, `seed ${seed}: ${questions}`);
  }
});

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

Deno.test("makeBatch() gives the same batch for the same number, and another for another", () => {
  const options = {
    source: SOURCE,
    mixture: { text: 0.3, pairsInText: 0.45, densePairs: 0.2, copy: 0.05 },
    marker: { token: 256, every: 64 },
    batch: 4,
    length: 192,
    negatives: {
      count: 8,
      least: 2,
      probability: { text: 0.5, pairsInText: 0.5, densePairs: 0.5, copy: 0.5 },
      places: "first" as const,
      alike: 0.5,
      weight: 8,
    },
    cutStatements: 0.5,
    seed: 5,
  };
  deepEqual(makeBatch(3, options), makeBatch(3, options));
  notDeepEqual(makeBatch(3, options).ids, makeBatch(4, options).ids);
  notDeepEqual(makeBatch(3, options).ids, makeBatch(3, { ...options, seed: 6 }).ids);
});

Deno.test("makePairs() speaks of a topic in its words, but for keys without a name", () => {
  for (let seed = 0; seed < 100; seed++) {
    const topic = drawTopic(random(seed));
    const pairs = makePairs(random(seed, 1), { count: 12, short: 0.5, words: SOURCE.words, topic });
    const [before, after] = topic.template.question.replaceAll("{t}", topic.thing)
      .split("{n}").map((part) => part.split("{v}")[0]);
    for (const { question } of pairs.filter(({ nameless }) => !nameless)) {
      const [{ text }] = question;
      if (text.includes("pass key")) continue; // drawn as what the pass key test asks for
      ok(text.startsWith(before) && text.includes(after), `seed ${seed}: ${text}`);
    }
  }
});

Deno.test("makeBatch() gives the alike rows of a batch one topic", () => {
  const rows = 32;
  const probability = { text: 1, pairsInText: 1, densePairs: 1, copy: 1 };
  const options = {
    ...{ source: SOURCE, marker: undefined, batch: rows, length: 600, seed: 5 },
    cutStatements: 0,
  };
  const batch = (number: number, kind: SequenceKind, alike: number): string[] => {
    const negatives = {
      count: 8,
      least: 2,
      probability,
      places: "first" as const,
      alike,
      weight: 1,
    };
    const { ids } = makeBatch(number, { ...options, mixture: only(kind), negatives });
    return Array.from({ length: rows }, (_, r) => textOf(ids.subarray(r * 600, (r + 1) * 600)));
  };
  deepEqual(batch(0, "text", 1), batch(0, "text", 0));
  for (let number = 0; number < 20; number++) {
    // A row's stream of its own draws neither the topic nor who takes it.
    const { thing, template } = drawTopic(random(5, 3, number));
    const words = template.question.split("{v}")[0].split("{n}").at(-1)!.replace("{t}", thing);
    const taking = (alike: number): number =>
      batch(number, "densePairs", alike).filter((row) => row.split(words).length > 4).length;
    ok(taking(1) >= rows - 2, `${taking(1)} rows say ${words}`);
    ok(taking(0) < taking(1));
    const half = taking(0.5);
    ok(half > taking(0) && half < taking(1), `${half} of the rows, half of them alike`);
  }
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
