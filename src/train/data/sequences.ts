import type { Corpus, Encode, SplitCorpus } from "./corpus.ts";
import { makePairs, type Pair, type Piece, type Topic } from "./pairs.ts";
import type { Random } from "./random.ts";

/** What a sequence teaches. */
export type SequenceKind = "text" | "pairsInText" | "densePairs" | "copy";

/** How likely each kind of sequence is; the shares need not add up to 1. */
export type Mixture = Readonly<Record<SequenceKind, number>>;

/** Tokens to learn from, without landmarks. */
export interface Sequence {
  readonly kind: SequenceKind;
  readonly tokens: Int32Array;
  /** Of each token as a target: f32, the same length. */
  readonly weights: Float32Array;
  /** 1 where a token belongs to a nameless key. */
  readonly nameless: Uint8Array;
}

/** What sequences are made from. */
export interface SequenceSource {
  readonly corpus: Corpus;
  readonly words: readonly string[];
  readonly encode: Encode;
}

/** The paper's filler. */
const REPEATED =
  "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ";

/** Fewer words make names that are all alike. */
const FEWEST_WORDS = 20;

/**
 * Makes a training text ready for sequences.
 *
 * @param length Tokens of the longest sequence that will be asked for.
 * @throws {RangeError} If the text is too short, or has too few words for names and values.
 */
export function sequenceSource(
  { train, words }: Pick<SplitCorpus, "train" | "words">,
  encode: Encode,
  options: { length: number; mixture: Mixture },
): SequenceSource {
  const { length, mixture } = options;
  if (train.tokens.length < length) {
    throw new RangeError(
      `Cannot train on ${length} tokens at once as the text must hold as many: current value is ` +
        `${train.tokens.length}`,
    );
  }
  if (words.length < FEWEST_WORDS && mixture.pairsInText + mixture.densePairs > 0) {
    throw new RangeError(
      `Cannot make pairs as the text must hold at least ${FEWEST_WORDS} different words: ` +
        `current value is ${words.length}`,
    );
  }
  return { corpus: train, words, encode };
}

/** Options of {@linkcode makeSequence}. */
export interface SequenceOptions {
  length: number;
  mixture: Mixture;
  /** What its pairs speak of. @default {drawn} */
  topic?: Topic | undefined;
  /** Puts borders of blocks into statements. @default {where they fall} */
  cuts?: Cuts | undefined;
}

/** Statements in running text that are moved on, by less than a block, to where a border cuts them. */
export interface Cuts {
  /** Which share of them. */
  readonly share: number;
  /** Tokens of a block, its landmark aside. */
  readonly every: number;
}

/** A sequence of exactly `length` tokens, of a kind drawn from the mixture. */
export function makeSequence(
  source: SequenceSource,
  random: Random,
  options: SequenceOptions,
): Sequence {
  const { length, mixture } = options;
  const kind = drawKind(mixture, random);
  switch (kind) {
    case "text":
      return sequence(kind, [textWindow(source, random, length)], length);
    case "copy":
      return sequence(kind, copiedSpan(source, random, length), length);
    case "pairsInText":
      return sequence(kind, pairsInText(source, random, options), length);
    case "densePairs":
      return sequence(kind, densePairs(source, random, options), length);
    default:
      return kind satisfies never;
  }
}

/** A stretch of tokens on its way into a sequence. */
interface Span {
  readonly tokens: Int32Array;
  readonly weights?: Float32Array;
  readonly nameless?: boolean;
  /** Its tokens from where to where make an answer together: name and value. */
  readonly core?: readonly [number, number];
}

function drawKind(mixture: Mixture, random: Random): SequenceKind {
  const shares = Object.entries(mixture) as [SequenceKind, number][];
  let left = random.next() * shares.reduce((sum, [, share]) => sum + share, 0);
  for (const [kind, share] of shares) {
    left -= share;
    if (left < 0) return kind;
  }
  // Rounding can leave a trace over: it belongs to the last kind that has a share.
  return shares.findLast(([, share]) => share > 0)![0];
}

function sequence(kind: SequenceKind, spans: readonly Span[], length: number): Sequence {
  const tokens = new Int32Array(length);
  const weights = new Float32Array(length).fill(1);
  const nameless = new Uint8Array(length);
  let at = 0;
  for (const span of spans) {
    tokens.set(span.tokens, at);
    if (span.weights) weights.set(span.weights, at);
    if (span.nameless) nameless.fill(1, at, at + span.tokens.length);
    at += span.tokens.length;
  }
  return { kind, tokens, weights, nameless };
}

function textWindow({ corpus }: SequenceSource, random: Random, length: number): Span {
  const at = random.below(corpus.tokens.length - length + 1);
  return { tokens: corpus.tokens.subarray(at, at + length) };
}

/** A window in which a span of 60 to 200 tokens (a third of a short one at most) comes again. */
function copiedSpan(source: SequenceSource, random: Random, length: number): Span[] {
  const most = Math.min(200, Math.floor(length / 3));
  const span = random.between(Math.min(60, most), most);
  const { tokens } = textWindow(source, random, length - span);
  const from = random.below(tokens.length - span + 1);
  const to = random.between(from + span, tokens.length);
  return [
    { tokens: tokens.subarray(0, to) },
    { tokens: tokens.subarray(from, from + span) },
    { tokens: tokens.subarray(to) },
  ];
}

/** A few pairs told and asked for somewhere in running text. */
function pairsInText(
  source: SequenceSource,
  random: Random,
  { length, topic, cuts }: SequenceOptions,
): Span[] {
  const most = 2 + Math.floor(length / 252);
  // One pair is drawn twice as often as any other number: it is what the pass key test asks for.
  const wanted = Math.max(1, random.between(0, most));
  const pairs = makePairs(random, { count: wanted, short: 0.15, words: source.words, topic });
  const asked = fitting(pairs, length, (pieces, pair) => {
    // The filler goes on with a gap of its own, so a space is wanted before the item only.
    const [before, after] = random.chance(0.5) ? ["\n", "\n"] : [" ", ""];
    return encodeItem([{ text: before }, ...pieces, { text: after }], pair, source);
  });
  const filler = makeFiller(source, random, length - tokensIn(asked.flat()));
  const atEnd = random.chance(0.5);
  const placed = asked.flatMap(([statement, question]) => {
    const told = random.next() * 0.95;
    const every = cuts && random.chance(cuts.share) ? cuts.every : undefined;
    return [
      { span: statement, at: told, every },
      { span: question, at: atEnd ? 1 : told + random.next() * (1 - told) },
    ];
  });
  // The sort is stable: at one and the same place a statement stays before its question.
  placed.sort((a, b) => a.at - b.at);
  return interleave(filler, placed, source);
}

/** Many pairs one after another, then all the questions, shuffled; text before them fills the row. */
function densePairs(
  source: SequenceSource,
  random: Random,
  { length, topic }: SequenceOptions,
): Span[] {
  const pairs = makePairs(random, {
    count: random.between(4, 24),
    short: 0.6,
    words: source.words,
    topic,
  });
  const gap = { text: random.chance(0.5) ? "\n" : " " };
  const asked = fitting(
    pairs,
    length,
    (pieces, pair) => encodeItem([gap, ...pieces], pair, source),
  );
  const statements = asked.map(([statement]) => statement);
  const questions = random.shuffle(asked.map(([, question]) => question));
  const filler = textWindow(source, random, length - tokensIn([...statements, ...questions]));
  return [filler, ...statements, ...questions];
}

/** As many of the pairs, from the front, as a sequence has room for. */
function fitting(
  pairs: readonly Pair[],
  length: number,
  write: (pieces: readonly Piece[], pair: Pair) => Span,
): [Span, Span][] {
  const kept: [Span, Span][] = [];
  let room = length;
  for (const pair of pairs) {
    const spans: [Span, Span] = [write(pair.statement, pair), write(pair.question, pair)];
    room -= tokensIn(spans);
    if (room < 0) break;
    kept.push(spans);
  }
  return kept;
}

function encodeItem(pieces: readonly Piece[], pair: Pair, { encode }: SequenceSource): Span {
  const encoded = pieces.map(({ text, weight = 1 }) => ({ tokens: encode(text), weight }));
  const length = encoded.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const tokens = new Int32Array(length);
  const weights = new Float32Array(length);
  let at = 0;
  let core: [number, number] = [0, 0];
  for (const [i, piece] of encoded.entries()) {
    tokens.set(piece.tokens, at);
    weights.fill(piece.weight, at, at + piece.tokens.length);
    // Behind the gap come the words before the value, in whose second half the name is, and the value.
    if (i === 2) core = [at - Math.ceil(encoded[1].tokens.length / 2), at + piece.tokens.length];
    at += piece.tokens.length;
  }
  return { tokens, weights, nameless: pair.nameless, core };
}

function makeFiller(source: SequenceSource, random: Random, length: number): Int32Array {
  const kind = random.next();
  if (kind < 0.88) return textWindow(source, random, length).tokens;
  const text = kind < 0.96
    ? () => REPEATED
    : () => Array.from({ length: 16 }, () => random.pick(source.words)).join(" ") + " ";
  const tokens = new Int32Array(length);
  for (let at = 0; at < length;) {
    const more = Int32Array.from(source.encode(text()));
    tokens.set(more.subarray(0, length - at), at);
    at += more.length;
  }
  return tokens;
}

/**
 * Cuts the filler where the items belong, at the next gap between words; or, where a border between
 * blocks of `every` tokens is to fall into an item's core, at the next one that makes it.
 */
function interleave(
  filler: Int32Array,
  placed: readonly { span: Span; at: number; every?: number | undefined }[],
  { encode }: SequenceSource,
): Span[] {
  const gaps = new Set([" ", "\n"].flatMap((gap) => Array.from(encode(gap))));
  const spans: Span[] = [];
  let from = 0;
  let items = 0; // tokens of those before
  for (const { span, at, every } of placed) {
    const isGap = (to: number): boolean =>
      to === from || to === filler.length || gaps.has(filler[to]);
    let to = Math.max(from, Math.floor(at * filler.length));
    while (!isGap(to)) to++;
    if (every) {
      const [first, end] = span.core ?? [0, 0];
      const isCut = (to: number): boolean =>
        Math.floor((items + to + end - 1) / every) > Math.floor((items + to + first) / every);
      const most = Math.min(filler.length, to + every);
      for (let next = to; next <= most; next++) {
        if (!isGap(next) || !isCut(next)) continue;
        to = next;
        break;
      }
    }
    spans.push({ tokens: filler.subarray(from, to) }, span);
    from = to;
    items += span.tokens.length;
  }
  spans.push({ tokens: filler.subarray(from) });
  return spans;
}

function tokensIn(spans: readonly Span[]): number {
  return spans.reduce((sum, { tokens }) => sum + tokens.length, 0);
}
