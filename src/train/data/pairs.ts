import type { Random } from "./random.ts";

/** A stretch of text whose tokens weigh the same in the loss. */
export interface Piece {
  readonly text: string;
  /** @default {1} */
  readonly weight?: number;
}

/** Something to remember, and the question that asks for it. */
export interface Pair {
  readonly statement: readonly Piece[];
  readonly question: readonly Piece[];
  /** The key says what, but not whose: any other sequence may hold another right answer. */
  readonly nameless: boolean;
}

/** Options of {@linkcode makePairs}. */
export interface PairOptions {
  count: number;
  /** How likely a pair is in short form (`name=value;`). */
  short: number;
  /** Words that names and values are made of. */
  words: readonly string[];
  /** What all of them speak of, but for those without a name. @default {drawn} */
  topic?: Topic | undefined;
}

/** A thing, and the words in which it is told and asked for: only a name tells two keys apart. */
export interface Topic {
  readonly thing: string;
  readonly template: Template;
}

/** A random value cannot be foretold where it is first told: no loss there. */
const UNKNOWABLE = 0;
/** What retrieval is about. */
const ANSWER = 5;

const THINGS = [
  ..."pass key,secret code,magic number,access code,pin,locker number,phone number".split(","),
  ..."password,room number,ticket number,serial number,code word,account number".split(","),
  ..."lucky number,badge number,key,id,door code,order number,favourite word".split(","),
];
const ALPHABET = "abcdefghijklmnopqrstuvwxyz";

/** How a pair is put in words: `{t}` is the thing, `{n}` whose it is, `{v}` the value. */
export interface Template {
  readonly statement: string;
  /** Said a second time, this often. */
  readonly again?: { readonly text: string; readonly chance: number };
  readonly question: string;
}

const NAMELESS: Template = {
  statement: "The {t} is {v}.",
  again: { text: " Remember it. {v} is the {t}.", chance: 0.7 },
  question: "What is the {t}? The {t} is {v}.",
};
const OF: Template = {
  statement: "The {t} of {n} is {v}.",
  again: { text: " Remember it. {v} is the {t} of {n}.", chance: 0.3 },
  question: "What is the {t} of {n}? The {t} of {n} is {v}.",
};
const NAMED: readonly Template[] = [
  OF,
  OF, // twice as likely: it is what people ask with
  {
    statement: "{n}'s {t} is {v}.",
    question: "What is {n}'s {t}? {n}'s {t} is {v}.",
  },
  {
    statement: "One of the special magic numbers for {n} is: {v}.",
    question: "What is the special magic number for {n}? The special magic number for {n} is: {v}.",
  },
  {
    statement: "Please note that the {t} for {n} is {v}.",
    question: "Tell me the {t} for {n}. The {t} for {n} is {v}.",
  },
];
const SHORT: readonly Template[] = ["=", ": ", " - ", " -> "].map((separator) => ({
  statement: `{n}${separator}{v};`,
  question: `{n}${separator}{v};`,
}));

/** How likely a topic is in short form: as likely as pairs in running text are. */
const SHORT_TOPIC = 0.15;

/** What several sequences may speak of together. */
export function drawTopic(random: Random): Topic {
  const templates = random.chance(SHORT_TOPIC) ? SHORT : NAMED;
  return { thing: random.pick(THINGS), template: random.pick(templates) };
}

/**
 * Pairs of one sequence: no two share a name, at most one of a thing is nameless. Often all speak
 * of the same thing in the same words, so that only the name tells them apart.
 */
export function makePairs(random: Random, options: PairOptions): Pair[] {
  const { count, words, topic } = options;
  const short = random.chance(options.short);
  const templates = short ? SHORT : NAMED;
  const shared = {
    thing: random.chance(0.6) ? random.pick(THINGS) : undefined,
    template: random.chance(0.6) ? random.pick(templates) : undefined,
    ...topic,
  };
  const taken = new Set<string>();
  return Array.from({ length: count }, () => {
    const nameless = !short && random.chance(count === 1 ? 0.5 : 0.2);
    // What the pass key test asks for comes before what the pairs share.
    const thing = nameless && random.chance(0.35)
      ? "pass key"
      : shared.thing ?? random.pick(THINGS);
    const value = makeValue(random, nameless, words);
    if (nameless && !taken.has(thing)) {
      taken.add(thing);
      return { ...phrase(NAMELESS, { thing, value }, random), nameless: true };
    }
    const name = makeName(random, words, taken);
    const template = shared.template ?? random.pick(templates);
    return { ...phrase(template, { name, thing, value }, random), nameless: false };
  });
}

function phrase(
  { statement, again, question }: Template,
  { name = "", thing, value }: { name?: string; thing: string; value: string },
  random: Random,
): Omit<Pair, "nameless"> {
  const told = again && random.chance(again.chance) ? statement + again.text : statement;
  /** The text around the values, and the values, the i-th of which weighs `weights[i]`. */
  const pieces = (template: string, weights: readonly number[]): Piece[] =>
    template.replaceAll("{t}", thing).replaceAll("{n}", name).split("{v}").flatMap((text, i) => [
      ...(i === 0 ? [] : [{ text: value, weight: weights[i - 1] }]),
      { text },
    ]);
  // Only the first mention is a surprise; the second repeats what stands just before it.
  return { statement: pieces(told, [UNKNOWABLE, 1]), question: pieces(question, [ANSWER]) };
}

function makeName(random: Random, words: readonly string[], taken: Set<string>): string {
  for (;;) {
    const kind = random.next();
    const name = kind < 0.35
      ? random.pick(words)
      : kind < 0.7
      ? capitalised(random.pick(words))
      : kind < 0.85
      ? `${random.pick(words)} ${random.pick(words)}`
      : letters(random, random.between(4, 7));
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

function makeValue(random: Random, nameless: boolean, words: readonly string[]): string {
  // A nameless key is what the pass key test asks for: five digits more often than not.
  if (random.chance(0.6)) return digits(random, 5);
  // The shares of the other kinds, 12 : 18 : 10; a nameless key may draw five digits again.
  const kind = random.next() * (nameless ? 1 : 0.4) - (nameless ? 0.6 : 0);
  if (kind < 0) return digits(random, 5);
  if (kind < 0.12) return digits(random, random.between(3, 8));
  if (kind < 0.3) return random.pick(words);
  return letters(random, random.between(4, 8));
}

function capitalised(word: string): string {
  return word[0].toUpperCase() + word.slice(1);
}

function digits(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.below(10)).join("");
}

function letters(random: Random, count: number): string {
  return Array.from({ length: count }, () => random.pick(ALPHABET)).join("");
}
