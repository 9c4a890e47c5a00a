/**
 * Texts with pass keys hidden in them, and the questions that ask for the keys.
 *
 * Many questions share a haystack, whose filler is read once. The sentence with a key takes the
 * place of as many ids of the filler, so that a session can put it there afterwards and read only
 * what that changes (`Session.replaceIds`). Where each question has a key of its own, no two of them
 * see each other's. With distractors five keys stand in the text together: each is what its question
 * asks for, and a distractor to the other four.
 */

import type { Tokenizer } from "../model/tokenizer.ts";
import type { Random } from "../train/data/random.ts";

/** What the keys are hidden in, and how they are asked for. */
export type HaystackKind =
  /** `The pass key is N`, in real text. */
  | "text"
  /** `The pass key of Name is N`, in real text beside four keys of other names. */
  | "distractors"
  /** The test of Mohtashami & Jaggi (arXiv 2305.16300, 4.2): one sentence, repeated. */
  | "paper";

/** All kinds, in the order of the tables. */
export const HAYSTACK_KINDS: readonly HaystackKind[] = ["text", "distractors", "paper"];

/** One key to be found. */
export interface Question {
  /** What is asked at the end; the answer goes on from here. */
  readonly prompt: string;
  /** The right answer: digits. */
  readonly key: string;
  /** How far into the text the key stands, in [0, 1). */
  readonly depth: number;
}

/** Ids that take the place of as many of the filler. */
export interface Needle {
  readonly at: number;
  readonly ids: Int32Array;
}

/** A text with keys in it, and what is asked about it. */
export interface Variant {
  /** Sorted by `at`, none over another. */
  readonly needles: readonly Needle[];
  readonly questions: readonly Question[];
}

/** A filler, and what becomes of it: every variant is a text of its own. */
export interface Haystack {
  readonly ids: Int32Array;
  readonly variants: readonly Variant[];
}

/** Options of {@linkcode makeHaystacks}. */
export interface HaystackOptions {
  /** Ids of a whole prompt: filler, keys and question. */
  length: number;
  /** How many questions in all. */
  questions: number;
  /** Real text to hide keys in. */
  book: string;
  tokenizer: Pick<Tokenizer, "encode" | "decode">;
  random: Random;
}

/** Parts of the depth, each asked about as often as the others; keys that stand together. */
const PARTS = 5;
/** A haystack serves a question for so many of its ids, so that short texts differ more. */
const IDS_PER_QUESTION = 4096;
const INTRO =
  "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them. " +
  "I will quiz you about the important information there.\n";
const REPEATED =
  "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ";
const PLAIN_PROMPT = "What is the pass key? The pass key is";
const NAMES = ("Alice,Barnaby,Celia,Dorothy,Edmund,Felix,Greta,Harold,Iris,Jasper,Kate,Leopold," +
  "Mabel,Nora,Oswald,Penelope,Quentin,Rupert,Sophia,Thomas,Ursula,Victor,Winifred,Zachary")
  .split(",");
/** Room for the longest question. */
const QUESTION = 100;
/** How far a needle may go from its depth to stand between words. */
const SLACK = 500;

/** Hides keys in as many haystacks as there are questions for. @throws {RangeError} If `length` is too short. */
export function makeHaystacks(kind: HaystackKind, options: HaystackOptions): Haystack[] {
  const { length, questions, random } = options;
  const least = 2000;
  if (!(length >= least)) {
    throw new RangeError(
      `Cannot hide keys as the text must have at least ${least} ids: current value is ${length}`,
    );
  }
  const most = Math.max(PARTS, Math.floor(length / IDS_PER_QUESTION));
  const haystacks: Haystack[] = [];
  for (let left = questions; left > 0; left -= most) {
    const ids = fillerIds(kind, options);
    const variants: Variant[] = [];
    for (let some = Math.min(left, most); some > 0; some -= PARTS) {
      // With fewer questions than parts of the depth, which parts are asked about is left to chance.
      const parts = random.shuffle(Array.from({ length: PARTS }, (_, i) => i))
        .slice(0, some).sort((a, b) => a - b);
      if (kind === "distractors") variants.push(withDistractors(ids, parts, options));
      else variants.push(...parts.map((part) => withOneKey(kind, ids, part, options)));
    }
    haystacks.push({ ids, variants });
  }
  return haystacks;
}

/** The ids of a variant's whole text. */
export function idsOf({ ids }: Haystack, { needles }: Variant): Int32Array {
  const text = ids.slice();
  for (const { at, ids } of needles) text.set(ids, at);
  return text;
}

function fillerIds(
  kind: HaystackKind,
  { length, book, tokenizer, random }: HaystackOptions,
): Int32Array {
  const wanted = length - QUESTION;
  const make = (letters: number): string =>
    kind === "paper"
      ? INTRO + REPEATED.repeat(Math.ceil(letters / REPEATED.length))
      : filler(book, letters, random);
  const sample = (kind === "paper" ? REPEATED : book).slice(0, 100_000);
  const perId = sample.length / tokenizer.encode(sample).length;
  // A little more than it takes, as far as that can be foretold.
  return tokenizer.encode(make(Math.ceil(1.05 * perId * wanted) + 100)).slice(0, wanted);
}

/** A depth in the given fifth of the text. */
function depthIn(part: number, random: Random): number {
  return (part + random.next()) / PARTS;
}

/** Says where the one key is, in the words of the paper. */
export function plainKey(key: string): { statement: string; prompt: string } {
  return {
    statement: `The pass key is ${key}. Remember it. ${key} is the pass key.`,
    prompt: PLAIN_PROMPT,
  };
}

/** Five digits, the first of which may be 0. */
export function randomKey(random: Random): string {
  return String(random.below(100_000)).padStart(5, "0");
}

function withOneKey(
  kind: "text" | "paper",
  filler: Int32Array,
  part: number,
  { tokenizer, random }: HaystackOptions,
): Variant {
  const depth = depthIn(part, random);
  const key = kind === "paper" ? String(random.between(1, 50_000)) : randomKey(random);
  const { statement, prompt } = plainKey(key);
  const needle = needleAt(filler, depth, `\n${statement}\n`, tokenizer);
  const question = { prompt: `\n${prompt}`, key, depth: needle.at / filler.length };
  return { needles: [needle], questions: [question] };
}

function withDistractors(
  filler: Int32Array,
  parts: readonly number[],
  { tokenizer, random }: HaystackOptions,
): Variant {
  const needles: Needle[] = [];
  const keys = random.shuffle([...NAMES]).slice(0, PARTS).map((name, part) => {
    const key = randomKey(random);
    const depth = depthIn(part, random);
    const sentence = `\nThe pass key of ${name} is ${key}.\n`;
    needles.push(needleAt(filler, depth, sentence, tokenizer, needles.at(-1)));
    return { name, key };
  });
  const questions = parts.map((part) => ({
    prompt: `\nWhat is the pass key of ${keys[part].name}? The pass key of ${keys[part].name} is`,
    key: keys[part].key,
    depth: needles[part].at / filler.length,
  }));
  return { needles, questions };
}

/** The sentence at the place next to its depth, behind another one, where it cuts no word in two. */
function needleAt(
  filler: Int32Array,
  depth: number,
  sentence: string,
  tokenizer: HaystackOptions["tokenizer"],
  before?: Needle,
): Needle {
  const ids = tokenizer.encode(sentence);
  const last = filler.length - ids.length;
  const free = before ? before.at + before.ids.length : 0;
  const first = Math.min(last, Math.max(free, Math.floor(depth * filler.length)));
  const text = (at: number): string => tokenizer.decode(filler.subarray(at, at + 1));
  const isGap = (at: number): boolean =>
    at === 0 || at === filler.length || /\s$/.test(text(at - 1)) || /^\s/.test(text(at));
  for (let away = 0; away <= SLACK; away++) {
    for (const at of [first + away, first - away]) {
      const fits = at >= free && at <= last;
      if (fits && isGap(at) && isGap(at + ids.length)) return { at, ids };
    }
  }
  return { at: first, ids };
}

/** The first place after `depth` where a word begins. */
export function afterSpace(text: string, depth: number): number {
  const from = Math.floor(depth * text.length);
  const space = text.slice(from).search(/\s/);
  return space < 0 ? text.length : from + space + 1;
}

/**
 * A window of the book, at a random place. For more letters than the book has, the book is cut at
 * paragraphs into pieces of a few pages, and shuffled as often as it takes.
 */
export function filler(book: string, length: number, random: Random): string {
  if (length <= book.length) {
    const start = afterSpace(book, random.next() * (1 - length / book.length));
    return book.slice(Math.min(start, book.length - length)).slice(0, length);
  }
  const pieces = pages(book);
  let text = "";
  while (text.length < length) text += random.shuffle(pieces).join("");
  return text.slice(0, length);
}

const PAGES = 4096;

function pages(book: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < book.length;) {
    const border = book.indexOf("\n\n", at + PAGES);
    const end = border < 0 ? book.length : border + 2;
    pieces.push(book.slice(at, end));
    at = end;
  }
  return pieces;
}

/** The first whole number in a text, as its digits. */
export function firstInteger(text: string): string | undefined {
  return text.match(/\d+/)?.[0];
}
