/**
 * Texts with pass keys hidden in them, and the questions that ask for the keys.
 *
 * Five questions share a haystack, one for each fifth of its depth. Where each question has a key of
 * its own, the key is put into the same filler at its own place, so that what stands before it needs
 * reading only once; nothing else is shared, and no two questions see each other's key. With
 * distractors all five keys stand in the text: each is what its question asks for, and a distractor
 * to the other four.
 */

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
  /** Where in the haystack's text `insert` goes. */
  readonly at: number;
  /** The sentence with the key, unless the haystack has it already. */
  readonly insert: string;
  /** What is asked at the end; the answer goes on from here. */
  readonly prompt: string;
  /** The right answer: digits. */
  readonly key: string;
  /** How far into the text the key stands, in [0, 1). */
  readonly depth: number;
}

/** A text, and what is asked about it. Questions are sorted by `at`. */
export interface Haystack {
  readonly text: string;
  readonly questions: readonly Question[];
}

/** Options of {@linkcode makeHaystacks}. */
export interface HaystackOptions {
  /** Letters of a whole prompt: filler, keys and question. */
  length: number;
  /** How many questions in all. */
  questions: number;
  /** Real text to hide keys in. */
  book: string;
  random: Random;
}

const PER_HAYSTACK = 5;
const INTRO =
  "There is an important info hidden inside a lot of irrelevant text. Find it and memorize them. " +
  "I will quiz you about the important information there.\n";
const REPEATED =
  "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again. ";
const PLAIN_PROMPT = "What is the pass key? The pass key is";
const NAMES = ("Alice,Barnaby,Celia,Dorothy,Edmund,Felix,Greta,Harold,Iris,Jasper,Kate,Leopold," +
  "Mabel,Nora,Oswald,Penelope,Quentin,Rupert,Sophia,Thomas,Ursula,Victor,Winifred,Zachary")
  .split(",");
/** Room for the longest sentence with a key and the longest question, wrapped. */
const OVERHEAD = 200;

/** Hides keys in as many haystacks as there are questions for. @throws {RangeError} If `length` is too short. */
export function makeHaystacks(kind: HaystackKind, options: HaystackOptions): Haystack[] {
  const { length, questions, book, random } = options;
  const least = kind === "distractors" ? 10 * OVERHEAD : 3 * OVERHEAD;
  if (!(length >= least)) {
    throw new RangeError(
      `Cannot hide keys as the text must have at least ${least} letters: current value is ${length}`,
    );
  }
  const haystacks: Haystack[] = [];
  for (let left = questions; left > 0; left -= PER_HAYSTACK) {
    // With fewer questions than parts of the depth, which parts are asked about is left to chance.
    const parts = random.shuffle(Array.from({ length: PER_HAYSTACK }, (_, i) => i))
      .slice(0, left).sort((a, b) => a - b);
    haystacks.push(
      kind === "distractors"
        ? withDistractors(parts, length, book, random)
        : kind === "text"
        ? inRealText(parts, length, book, random)
        : asInPaper(parts, length, random),
    );
  }
  return haystacks;
}

/** A depth in the given fifth of the text. */
function depthIn(part: number, random: Random): number {
  return (part + random.next()) / PER_HAYSTACK;
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

function inRealText(
  parts: readonly number[],
  length: number,
  book: string,
  random: Random,
): Haystack {
  const text = filler(book, length - OVERHEAD, random);
  const questions = parts.map((part) => {
    const at = afterSpace(text, depthIn(part, random));
    const key = randomKey(random);
    const { statement, prompt } = plainKey(key);
    return {
      at,
      insert: `\n${statement}\n`,
      prompt: `\n${prompt}`,
      key,
      depth: at / text.length,
    };
  });
  return { text, questions };
}

function withDistractors(
  parts: readonly number[],
  length: number,
  book: string,
  random: Random,
): Haystack {
  const filled = filler(book, length - PER_HAYSTACK * OVERHEAD / 2, random);
  const names = random.shuffle([...NAMES]).slice(0, PER_HAYSTACK);
  const keys = names.map(() => randomKey(random));
  const places = names.map((_, part) => afterSpace(filled, depthIn(part, random)));
  let text = filled.slice(0, places[0]);
  const depths: number[] = [];
  places.forEach((at, i) => {
    depths.push(text.length);
    text += `\nThe pass key of ${names[i]} is ${keys[i]}.\n` + filled.slice(at, places[i + 1]);
  });
  const questions = parts.map((part) => ({
    at: text.length,
    insert: "",
    prompt: `\nWhat is the pass key of ${names[part]}? The pass key of ${names[part]} is`,
    key: keys[part],
    depth: depths[part] / text.length,
  }));
  return { text, questions };
}

function asInPaper(parts: readonly number[], length: number, random: Random): Haystack {
  const letters = length - OVERHEAD - INTRO.length;
  const text = INTRO + REPEATED.repeat(Math.ceil(letters / REPEATED.length)).slice(0, letters);
  const questions = parts.map((part) => {
    const depth = depthIn(part, random);
    const key = String(random.between(1, 50_000));
    const { statement, prompt } = plainKey(key);
    return {
      at: INTRO.length + Math.floor(depth * letters),
      insert: `\n${statement}\n`,
      prompt: `\n${prompt}`,
      key,
      depth,
    };
  });
  return { text, questions };
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
