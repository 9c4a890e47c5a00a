import type { Marker } from "../attention/mechanism.ts";
import type { TrainingBatch } from "./data/batch.ts";
import type { Corpus } from "./data/corpus.ts";
import { random } from "./data/random.ts";
import { makeRows, type Rows, sequenceLength } from "./data/rows.ts";
import { makeSequence, type Sequence, type SequenceSource } from "./data/sequences.ts";
import { forward, type Learner } from "./pass.ts";

/** How well a model does on text that it does not learn from. */
export interface Evaluation {
  /** Bits that the model needs for a byte of held-out text. */
  readonly bitsPerByte: number;
  /** The share of answer tokens it gets right, the question and what comes before them given. */
  readonly answers: number | undefined;
}

/** What a model is examined on; the same every time. */
export interface Examination {
  readonly text: Rows;
  readonly answers: Rows | undefined;
  /** Of the held-out text: nats a token become bits a byte with it. */
  readonly tokensPerByte: number;
}

/** Options of {@linkcode prepareExamination}. */
export interface ExaminationOptions {
  /** Tokens a row, landmarks included. */
  length: number;
  marker: Marker | undefined;
  textRows: number;
  /** 0 asks nothing. */
  answerRows: number;
  seed: number;
}

/** Keeps these numbers apart from those of training. */
const STREAM = 4;
const PAIRS = { text: 0, pairsInText: 1, densePairs: 0, copy: 0 };

/**
 * Lays rows of held-out text out: all of it if `textRows` rows hold it, else that many, spread
 * evenly; and rows that ask for what stands in them.
 *
 * @param heldOut A source whose corpus was held out.
 * @throws {RangeError} If the text does not fill a row.
 */
export function prepareExamination(
  heldOut: SequenceSource,
  options: ExaminationOptions,
): Examination {
  const { length, marker, textRows, answerRows, seed } = options;
  const tokens = sequenceLength(length, marker);
  const questions = Array.from(
    { length: answerRows },
    (_, row) =>
      makeSequence(heldOut, random(seed, STREAM, row), { length: tokens, mixture: PAIRS }),
  );
  return {
    text: makeRows(textSequences(heldOut.corpus, tokens, textRows), { length, marker }),
    answers: answerRows > 0 ? makeRows(questions, { length, marker }) : undefined,
    tokensPerByte: heldOut.corpus.tokens.length / heldOut.corpus.bytes,
  };
}

/** Examines a model, `batch` rows at a time. */
export async function evaluate(
  learner: Learner,
  { text, answers, tokensPerByte }: Examination,
  options: { batch: number },
): Promise<Evaluation> {
  let nats = 0;
  let count = 0;
  for (const rows of cut(text, options.batch)) {
    const weight = rows.weights.reduce((sum, weight) => sum + weight, 0);
    nats += weight * (await forward(learner, rows)).loss;
    count += weight;
  }
  let right = 0;
  let asked = 0;
  for (const rows of answers === undefined ? [] : cut(answers, options.batch)) {
    const { logits } = await forward(learner, rows);
    const vocab = logits.length / rows.ids.length;
    for (const [t, target] of rows.targets.entries()) {
      if (rows.weights[t] <= 1) continue; // only answers weigh more than text
      asked++;
      if (largest(logits, t * vocab, vocab) === target) right++;
    }
  }
  return {
    bitsPerByte: nats / count / Math.LN2 * tokensPerByte,
    answers: asked > 0 ? right / asked : undefined,
  };
}

/**
 * Rows that follow each other so that every token but the first is asked for once. The first
 * quarter of a row repeats the end of the row before, and is not asked for: it is the context that
 * the rest would have in running text.
 */
function textSequences({ tokens }: Corpus, length: number, most: number): Sequence[] {
  const context = Math.floor(length / 4);
  const stride = length - 1 - context;
  const fit = Math.floor((tokens.length - 1 - context) / stride);
  if (fit < 1) {
    throw new RangeError(
      `Cannot evaluate on ${length} tokens at once as the held-out text must hold as many: ` +
        `current value is ${tokens.length}`,
    );
  }
  const count = Math.min(fit, most);
  return Array.from({ length: count }, (_, row) => {
    const at = Math.floor(row * fit / count) * stride;
    return {
      kind: "text",
      tokens: tokens.subarray(at, at + length),
      weights: new Float32Array(length).fill(1, at === 0 ? 0 : context + 1),
      nameless: new Uint8Array(length),
    };
  });
}

/** Batches of at most `batch` of the rows. */
function* cut(all: Rows, batch: number): Generator<TrainingBatch> {
  const { length } = all;
  for (let row = 0; row < all.rows; row += batch) {
    const rows = Math.min(batch, all.rows - row);
    const part = <Numbers extends Int32Array | Float32Array>(numbers: Numbers): Numbers =>
      numbers.slice(row * length, (row + rows) * length) as Numbers;
    yield {
      rows,
      length,
      ids: part(all.ids),
      targets: part(all.targets),
      weights: part(all.weights),
      kinds: all.kinds.slice(row, row + rows),
      nameless: new Uint8Array(0),
      negatives: undefined,
    };
  }
}

/** The index, from `at` on, of the largest of `count` numbers. */
function largest(numbers: ArrayLike<number>, at: number, count: number): number {
  let best = 0;
  for (let i = 1; i < count; i++) if (numbers[at + i] > numbers[at + best]) best = i;
  return best;
}
