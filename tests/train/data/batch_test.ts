import { deepEqual, notDeepEqual, ok } from "node:assert/strict";
import { makeBatch } from "../../../src/train/data/batch.ts";
import { drawTopic } from "../../../src/train/data/pairs.ts";
import { random } from "../../../src/train/data/random.ts";
import type { SequenceKind } from "../../../src/train/data/sequences.ts";
import { only, SOURCE, textOf } from "./source.ts";

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
