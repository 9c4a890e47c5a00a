import type { Files } from "../io/files.ts";
import {
  choice,
  flag,
  number,
  type Option,
  type Options,
  parse,
  text,
  UsageError,
  type Values,
} from "./args.ts";
import { paint, type Terminal } from "./terminal.ts";

/** What the program carries with it. */
export interface Resources {
  /** The embedded model: a folder, and the files that it lies in. */
  model(): Promise<{ folder: string; files: Files }>;
  /** The book that the demo reads. */
  book(): Promise<string>;
}

/** What a command works with. */
export interface Context {
  readonly terminal: Terminal;
  readonly files: Files;
  readonly resources: Resources;
}

/** Options that every command takes. */
const COMMON = {
  device: choice(["auto", "cpu", "gpu", "reference"], "where to compute", "auto"),
  gpu: choice(
    ["builtin", "dawn", "dawn-unchecked"],
    "whose WebGPU: Deno's, Dawn's, or Dawn's without bounds checks",
    "builtin",
  ),
  precision: choice(
    ["f32", "mixed"],
    "of the GPU: f32, or products of halves on tensor cores (--device gpu --gpu dawn)",
    "f32",
  ),
  threads: number("threads of the CPU device (default: one a core)", { least: 1, most: 64 }),
  model: text("FOLDER", "a model's folder (default: the embedded model)"),
  json: flag("results as JSON on standard output"),
  verbose: flag("say where an error came from"),
  help: flag("this text"),
};

/** The values of the options that every command takes. */
export type CommonValues = Values<typeof COMMON>;

/** One command, as it is written down. */
export interface CommandSpec<O extends Options> {
  readonly name: string;
  /** One line, for the list of commands. */
  readonly summary: string;
  /** What follows the name: the words it takes. */
  readonly usage: string;
  /** What the summary leaves out. */
  readonly details?: string;
  readonly options: O;
  /** Command lines that work, without the program's name, and what each does. */
  readonly examples: readonly (readonly [string, string])[];
  /** @returns The exit code; nothing is 0. */
  run(
    values: Values<O> & CommonValues,
    words: readonly string[],
    context: Context,
  ): Promise<number | void>;
}

/** One command, ready to run. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  run(args: readonly string[], context: Context): Promise<number>;
}

/** Makes a command: its options are read, `--help` is answered. */
export function command<O extends Options>(spec: CommandSpec<O>): Command {
  const options = { ...spec.options, ...COMMON };
  return {
    name: spec.name,
    summary: spec.summary,
    async run(args, context) {
      const { values, words } = parse(args, options);
      if (values.help) {
        context.terminal.out(helpText(spec, options, context.terminal));
        return 0;
      }
      return await spec.run(values as Values<O> & CommonValues, words, context) ?? 0;
    },
  };
}

/** The one word a command takes. @throws {UsageError} If there are more or fewer. */
export function oneWord(words: readonly string[], what: string): string {
  if (words.length === 1 && words[0].trim() !== "") return words[0];
  const problem = words.length > 1
    ? `current value is ${words.length} words (put quotes around it)`
    : "it is missing";
  throw new UsageError(`Cannot run as there must be one ${what}: ${problem}`);
}

/** @throws {UsageError} If there is any word. */
export function noWords(words: readonly string[]): void {
  if (words.length > 0) {
    throw new UsageError(
      `Cannot understand "${words[0]}": this command takes options only, see --help`,
    );
  }
}

function helpText(
  spec: Pick<CommandSpec<Options>, "name" | "summary" | "usage" | "details" | "examples">,
  options: Options,
  terminal: Terminal,
): string {
  const bold = (text: string): string => paint(terminal, "bold", text);
  const usage = `cairn ${spec.name} ${spec.usage}`.trimEnd();
  const lines = [`${spec.summary}`, "", `${bold("Usage:")} ${usage}`, ""];
  if (spec.details) lines.push(...wrap(spec.details, terminal.columns), "");
  lines.push(bold("Options:"), ...optionLines(options, terminal.columns));
  lines.push("", bold("Examples:"));
  for (const [line, meaning] of spec.examples) {
    lines.push(`  ${paint(terminal, "dim", `# ${meaning}`)}`, `  cairn ${line}`);
  }
  return lines.join("\n") + "\n";
}

function optionLines(options: Options, columns: number): string[] {
  const names = Object.entries(options).map(([name, { hint }]) =>
    hint === undefined ? `--${name}` : `--${name} ${hint}`
  );
  const widest = Math.max(...names.map((name) => name.length));
  const indent = " ".repeat(widest + 4);
  return Object.values(options).map((option: Option<unknown>, i) => {
    const preset = option.fallback === undefined || option.hint === undefined
      ? ""
      : ` (default: ${JSON.stringify(option.fallback).replaceAll(/["[\]]/g, "")})`;
    const lines = wrap(option.help + preset, columns - indent.length);
    return `  ${names[i].padEnd(widest)}  ${lines.join(`\n${indent}`)}`;
  });
}

/** Cuts a text between words into lines of at most so many letters. */
function wrap(text: string, columns: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line !== "" && line.length + 1 + word.length > columns) lines.push(word);
    else lines[lines.length - 1] = line === "" ? word : `${line} ${word}`;
  }
  return lines;
}
