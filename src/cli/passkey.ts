import { markedTokens, textTokens } from "../attention/markers.ts";
import type { Cairn } from "../cairn.ts";
import {
  type Haystack,
  HAYSTACK_KINDS,
  type HaystackKind,
  makeHaystacks,
} from "../eval/haystacks.ts";
import { askHaystack, lettersToRead, type Outcome } from "../eval/passkey.ts";
import { type Share, wilson } from "../eval/wilson.ts";
import { readText } from "../io/files.ts";
import type { MemoryOptions } from "../memory/options.ts";
import { random } from "../train/data/random.ts";
import { choice, number, numbers, text } from "./args.ts";
import { type Command, command, noWords } from "./command.ts";
import { openModel } from "./open_model.ts";
import { startProgress } from "./progress.ts";
import { MEMORY_OPTIONS, memoryOptions } from "./session_options.ts";
import { grouped, paint, table, type Terminal } from "./terminal.ts";

/** `cairn passkey` */
export const passkey: Command = command({
  name: "passkey",
  summary: "Measures how often a hidden key is found, by length and depth.",
  usage: "",
  details:
    "Three tasks: five digits in real text; the same beside four keys of other names; and the " +
    "test of the landmark paper. docs/commands.md says what is measured, and how.",
  options: {
    task: choice(["all", ...HAYSTACK_KINDS], "which task", "all"),
    lengths: numbers("tokens of a prompt, landmarks included", { least: 2048 }, [4096]),
    prompts: number("questions for each task and length", { least: 1 }, 10),
    depths: number("columns of the table", { least: 1, most: 20 }, 5),
    seed: number("for the same prompts again", { least: 0 }, 1),
    file: text("TEXT", "real text to hide keys in (default: Newton's Opticks)"),
    ...MEMORY_OPTIONS,
  },
  examples: [
    ["passkey", "a quick look"],
    ["passkey --task text --lengths 4096,65536 --prompts 25", "one task, two lengths"],
  ],
  async run(values, words, context) {
    noWords(words);
    const { terminal, files, resources } = context;
    using cairn = await openModel(values, context);
    const book = values.file === undefined
      ? await resources.book()
      : await readText(files, values.file);
    const kinds = values.task === "all" ? HAYSTACK_KINDS : [values.task];
    const rows: Row[] = [];
    for (const kind of kinds) {
      for (const length of values.lengths) {
        const haystacks = makeHaystacks(kind, {
          length: lettersOf(cairn, length, book),
          questions: values.prompts,
          book,
          random: random(values.seed, HAYSTACK_KINDS.indexOf(kind), length),
        });
        const outcomes = await measure(cairn, haystacks, memoryOptions(values), {
          terminal,
          label: `${kind} ${grouped(length)}`,
        });
        rows.push(summarize(kind, length, outcomes, values.depths));
      }
    }
    const { seed, prompts } = values;
    if (values.json) terminal.out(`${JSON.stringify({ seed, prompts, rows })}\n`);
    else terminal.out(tableOf(rows, values.depths, terminal));
  },
});

/** How many letters make so many tokens: exact for bytes, and near for other tokenizers. */
function lettersOf(
  { tokenizer, mechanism: { marker } }: Cairn,
  tokens: number,
  book: string,
): number {
  const sample = book.slice(0, 100_000);
  const perToken = sample.length / tokenizer.encode(sample).length;
  return Math.floor(textTokens(tokens, marker) * perToken);
}

async function measure(
  cairn: Cairn,
  haystacks: readonly Haystack[],
  options: MemoryOptions,
  { terminal, label }: { terminal: Terminal; label: string },
): Promise<Outcome[]> {
  const { signal } = terminal;
  const progress = startProgress(terminal, label);
  const letters = haystacks.reduce((sum, haystack) => sum + lettersToRead(haystack), 0);
  const total = markedTokens(letters, cairn.mechanism.marker);
  const outcomes: Outcome[] = [];
  let done = 0;
  const onProgress = (tokens: number): void => progress.update(done += tokens, total);
  try {
    for (const haystack of haystacks) {
      using session = cairn.session(options);
      for await (const outcome of askHaystack(session, haystack, { signal, onProgress })) {
        outcomes.push(outcome);
      }
    }
  } catch (error) {
    progress.clear();
    throw error;
  }
  progress.finish();
  return outcomes;
}

/** One line of the table. */
interface Row {
  readonly task: HaystackKind;
  readonly length: number;
  /** From the front of the text to its end. */
  readonly byDepth: readonly Share[];
  readonly all: Share;
  readonly wrong: readonly { key: string; answer: string; depth: number }[];
}

function summarize(
  task: HaystackKind,
  length: number,
  outcomes: readonly Outcome[],
  depths: number,
): Row {
  const share = (some: readonly Outcome[]): Share =>
    wilson(some.filter(({ right }) => right).length, some.length);
  const byDepth = Array.from(
    { length: depths },
    (_, i) => share(outcomes.filter(({ question }) => Math.floor(question.depth * depths) === i)),
  );
  const wrong = outcomes.filter(({ right }) => !right)
    .map(({ question: { key, depth }, answer }) => ({ key, answer, depth }));
  return { task, length, byDepth, all: share(outcomes), wrong };
}

function tableOf(rows: readonly Row[], depths: number, terminal: Terminal): string {
  const percent = (i: number): string => `${Math.round(100 * i / depths)}`;
  const head = [
    "task",
    "tokens",
    ...Array.from({ length: depths }, (_, i) => `${percent(i)}–${percent(i + 1)} %`),
    "right",
    "95 % interval",
  ];
  const count = ({ right, asked }: Share): string => asked === 0 ? "–" : `${right}/${asked}`;
  const lines = rows.map(({ task, length, byDepth, all }) => [
    task,
    grouped(length),
    ...byDepth.map(count),
    paint(terminal, "bold", count(all)),
    `${all.low.toFixed(2)}–${all.high.toFixed(2)}`,
  ]);
  return table([head, ...lines]);
}
