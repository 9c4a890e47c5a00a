import { textTokens } from "../attention/markers.ts";
import type { Cairn } from "../cairn.ts";
import {
  type Haystack,
  HAYSTACK_KINDS,
  type HaystackKind,
  makeHaystacks,
} from "../eval/haystacks.ts";
import { askHaystack, type Outcome } from "../eval/passkey.ts";
import { type Share, wilson } from "../eval/wilson.ts";
import { readText } from "../io/files.ts";
import { random } from "../train/data/random.ts";
import { choice, number, numbers, text, type Values } from "./args.ts";
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
          length: textTokens(length, cairn.mechanism.marker),
          questions: values.prompts,
          book,
          tokenizer: cairn.tokenizer,
          random: random(values.seed, HAYSTACK_KINDS.indexOf(kind), length),
        });
        const label = `${kind} ${grouped(length)}`;
        const started = performance.now();
        const outcomes = await measure(cairn, haystacks, values, { terminal, label });
        const seconds = (performance.now() - started) / 1000;
        rows.push({ ...summarize(kind, length, outcomes, values.depths), seconds });
      }
    }
    const { seed, prompts } = values;
    if (values.json) terminal.out(`${JSON.stringify({ seed, prompts, rows })}\n`);
    else terminal.out(tableOf(rows, values.depths, terminal));
  },
});

async function measure(
  cairn: Cairn,
  haystacks: readonly Haystack[],
  values: Values<typeof MEMORY_OPTIONS>,
  { terminal, label }: { terminal: Terminal; label: string },
): Promise<Outcome[]> {
  const { signal } = terminal;
  const progress = startProgress(terminal, label, { unit: "prompts" });
  const prompts = haystacks.flatMap(({ variants }) => variants)
    .reduce((sum, { questions }) => sum + questions.length, 0);
  // Only where reading reaches back a bounded way can a part of it be replaced.
  const whole = values.reading !== "recent" ||
    !cairn.mechanism.capabilities.replaceable;
  const outcomes: Outcome[] = [];
  try {
    for (const haystack of haystacks) {
      const reading = startProgress(terminal, `${label}, reading`);
      const onProgress = (ids: number): void => reading.update(ids, haystack.ids.length);
      using session = cairn.session(memoryOptions(values));
      for await (const outcome of askHaystack(session, haystack, { whole, signal, onProgress })) {
        reading.clear();
        progress.update(outcomes.push(outcome), prompts);
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
  readonly seconds: number;
}

function summarize(
  task: HaystackKind,
  length: number,
  outcomes: readonly Outcome[],
  depths: number,
): Omit<Row, "seconds"> {
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
