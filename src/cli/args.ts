/** Command lines: options with a type each, errors that say what would be right, and help. */

import { parseArgs } from "node:util";

/** A command line that cannot be understood: exit code 2. */
export class UsageError extends SyntaxError {
  override name = "UsageError";
}

/** One option of a command. */
export interface Option<T> {
  /** What it does, for `--help`. */
  readonly help: string;
  /** What stands in for its value in `--help`; a flag has none. */
  readonly hint?: string | undefined;
  /** Its value when it is not given. */
  readonly fallback: T;
  /** Reads its value. @throws {UsageError} If the text will not do. */
  read(text: string, name: string): T;
}

/** The options of a command, by the name that follows the two dashes. */
// deno-lint-ignore no-explicit-any -- each option has its own type, found again by `Values`
export type Options = Readonly<Record<string, Option<any>>>;

/** What was given, or the fallback, by the option's name. */
export type Values<O extends Options> = {
  readonly [Name in keyof O]: O[Name] extends Option<infer T> ? T : never;
};

/** On or off. */
export function flag(help: string): Option<boolean> {
  return { help, fallback: false, read: () => true };
}

/** Any text. */
export function text(hint: string, help: string): Option<string | undefined>;
export function text(hint: string, help: string, fallback: string): Option<string>;
export function text(hint: string, help: string, fallback?: string): Option<string | undefined> {
  return { help, hint, fallback, read: (value) => value };
}

/** One of some words. */
export function choice<Word extends string>(
  words: readonly Word[],
  help: string,
  fallback: Word,
): Option<Word> {
  return {
    help: `${help}: ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    hint: "WORD",
    fallback,
    read(value, name) {
      const word = words.find((word) => word === value);
      if (word === undefined) throw wrongValue(name, `one of ${words.join(", ")}`, value);
      return word;
    },
  };
}

/** What a number may be. */
export interface NumberRange {
  least?: number;
  most?: number;
  /** @default {true} */
  whole?: boolean;
}

/** A number. */
export function number(
  help: string,
  range?: NumberRange,
): Option<number | undefined>;
export function number(help: string, range: NumberRange, fallback: number): Option<number>;
export function number(
  help: string,
  range: NumberRange = {},
  fallback?: number,
): Option<number | undefined> {
  return { help, hint: "N", fallback, read: (value, name) => readNumber(value, name, range) };
}

/** Numbers with commas between them. */
export function numbers(
  help: string,
  range: NumberRange,
): Option<readonly number[] | undefined>;
export function numbers(
  help: string,
  range: NumberRange,
  fallback: readonly number[],
): Option<readonly number[]>;
export function numbers(
  help: string,
  range: NumberRange,
  fallback?: readonly number[],
): Option<readonly number[] | undefined> {
  const read = (value: string, name: string): number[] =>
    value.split(",").map((part) => readNumber(part, name, range));
  return { help, hint: "N,N", fallback, read };
}

/** Sizes in bytes: `64M`, `2G`, `1.5GiB`, `4096`. Units are powers of 1024. */
export function bytes(help: string): Option<number | undefined> {
  return {
    help,
    hint: "BYTES",
    fallback: undefined,
    read(value, name) {
      const match = /^(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?$/i.exec(value);
      if (!match) throw wrongValue(name, "a number of bytes such as 4096, 64M or 2G", value);
      const power = " KMGT".indexOf(match[2].toUpperCase() || " ");
      return Math.floor(Number(match[1]) * 1024 ** power);
    },
  };
}

/**
 * Reads a command line.
 *
 * @returns The options' values, and the words that belong to no option.
 * @throws {UsageError} On an option that is not there, one without its value, or a wrong value.
 */
export function parse<O extends Options>(
  args: readonly string[],
  options: O,
): { values: Values<O>; words: string[] } {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) values[name] = option.fallback;
  const words: string[] = [];
  const kinds = Object.fromEntries(
    Object.entries(options).map(([name, { hint }]) => [
      name,
      { type: hint === undefined ? "boolean" : "string" } as const,
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options: kinds, strict: false, tokens: true });
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    values[token.name] = readOption(token.name, token.rawName, token.value, options);
  }
  return { values: values as Values<O>, words };
}

function readOption(
  name: string,
  rawName: string,
  value: string | undefined,
  options: Options,
): unknown {
  const option = Object.hasOwn(options, name) && rawName.startsWith("--")
    ? options[name]
    : undefined;
  if (option === undefined) throw unknownOption(rawName, Object.keys(options));
  if (option.hint === undefined && value !== undefined) {
    throw new UsageError(`Cannot use "${rawName}=${value}" as ${rawName} takes no value`);
  }
  if (option.hint !== undefined && value === undefined) {
    throw new UsageError(`Cannot use "${rawName}" as it needs a value: ${rawName} ${option.hint}`);
  }
  return option.read(value ?? "", rawName);
}

function unknownOption(rawName: string, names: readonly string[]): UsageError {
  const near = nearest(rawName.replace(/^-+/, ""), names);
  const hint = near === undefined ? "--help lists the options" : `did you mean --${near}?`;
  return new UsageError(`Cannot understand "${rawName}": ${hint}`);
}

function readNumber(value: string, name: string, range: NumberRange): number {
  const { least = -Infinity, most = Infinity, whole = true } = range;
  const number = value.trim() === "" ? NaN : Number(value);
  const fits = whole ? Number.isSafeInteger(number) : Number.isFinite(number);
  if (fits && number >= least && number <= most) return number;
  const kind = whole ? "a whole number" : "a number";
  const limits = [
    ...(least > -Infinity ? [`at least ${least}`] : []),
    ...(most < Infinity ? [`at most ${most}`] : []),
  ].join(" and ");
  throw wrongValue(name, limits ? `${kind}, ${limits}` : kind, value);
}

function wrongValue(name: string, right: string, value: string): UsageError {
  return new UsageError(`Cannot use ${name} as it must be ${right}: current value is "${value}"`);
}

/** The name that differs from `word` in the fewest letters, if that is few. */
export function nearest(word: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(word, name);
    if (distance < least) [best, least] = [name, distance];
  }
  return best;
}

/** Letters put in, taken out or changed to make one word of the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let above = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = above[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row.push(Math.min(change, above[j] + 1, row[j - 1] + 1));
    }
    above = row;
  }
  return above[b.length];
}
