import type { Marker, Negatives } from "../../attention/mechanism.ts";
import { drawNegatives, type NegativesOptions } from "./negatives.ts";
import { drawTopic } from "./pairs.ts";
import { random } from "./random.ts";
import { makeRows, type Rows, sequenceLength } from "./rows.ts";
import { makeSequence, type Mixture, type SequenceSource } from "./sequences.ts";

/** What one pass forward and back learns from. */
export interface TrainingBatch extends Rows {
  readonly negatives: Negatives | undefined;
  /** Windows that a gradient flows back through, at most. @default {all of a row} */
  readonly backWindows?: number | undefined;
}

/** How batches are made; all that a batch depends on, but for its number. */
export interface BatchOptions {
  readonly source: SequenceSource;
  readonly mixture: Mixture;
  readonly marker: Marker | undefined;
  /** Rows. */
  readonly batch: number;
  /** Tokens a row, landmarks included. */
  readonly length: number;
  readonly negatives: NegativesOptions | undefined;
  /** The share of statements in running text that a border between blocks cuts on purpose. */
  readonly cutStatements: number;
  readonly seed: number;
}

/** Keeps the streams of one seed apart. */
const SEQUENCES = 1;
const NEGATIVES = 2;
const TOPIC = 3;

/**
 * The `number`-th batch of a run, from 0: the same whether or not the ones before it were made,
 * which is why a run that stops and resumes sees what an uninterrupted one sees.
 */
export function makeBatch(number: number, options: BatchOptions): TrainingBatch {
  const { source, mixture, marker, batch, length, negatives, cutStatements, seed } = options;
  const cuts = marker && cutStatements > 0
    ? { share: cutStatements, every: marker.every - 1 }
    : undefined;
  const topics = random(seed, TOPIC, number);
  const topic = drawTopic(topics);
  const sequences = Array.from(
    { length: batch },
    (_, row) =>
      makeSequence(source, random(seed, SEQUENCES, number, row), {
        length: sequenceLength(length, marker),
        mixture,
        topic: topics.chance(negatives?.alike ?? 0) ? topic : undefined,
        cuts,
      }),
  );
  const rows = makeRows(sequences, { length, marker });
  const drawn = negatives && drawNegatives(rows, random(seed, NEGATIVES, number), negatives);
  return { ...rows, negatives: drawn };
}
