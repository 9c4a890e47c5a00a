import { textTokens } from "../attention/markers.ts";
import type { Cairn } from "../cairn.ts";
import { byPosition, type Stretch } from "../eval/by_position.ts";
import { sessionLosses, type TextLosses, windowLosses } from "../eval/text_losses.ts";
import { readText } from "../io/files.ts";
import type { BlockChoice, MemoryOptions } from "../memory/options.ts";
import { choice, number, text, UsageError } from "./args.ts";
import { type Command, command, noWords } from "./command.ts";
import { openModel } from "./open_model.ts";
import { startProgress } from "./progress.ts";
import { MEMORY_OPTIONS, memoryOptions } from "./session_options.ts";
import { grouped, paint, table, type Terminal } from "./terminal.ts";

const { reading: _reading, asking: _asking, ...MEMORY } = MEMORY_OPTIONS;

/** `cairn eval` */
export const evaluate: Command = command({
  name: "eval",
  summary: "Measures how well a text is foretold, by position and by what is looked at.",
  usage: "[--file TEXT]",
  details: "chosen: blocks chosen among all. recent: the last K blocks. none: the tokens of the " +
    "chunk alone. dense: no memory, but a window of the training length that slides by half.",
  options: {
    file: text("TEXT", "what to foretell, UTF-8 (default: Newton's Opticks)"),
    tokens: number("how much of it", { least: 256 }, 32_768),
    choose: choice(["chunk", "token", "heads"], "how blocks are chosen", "chunk"),
    ...MEMORY,
  },
  examples: [
    ["eval", "the first 32,768 bytes of Opticks"],
    ["eval --file book.txt --tokens 100000 --json", "for another program"],
  ],
  async run(values, words, context) {
    noWords(words);
    const { terminal, files, resources } = context;
    using cairn = await openModel(values, context);
    const { file } = values;
    const whole = file === undefined ? await resources.book() : await readText(files, file);
    const ids = cairn.tokenizer.encode(whole).subarray(0, values.tokens);
    if (ids.length < 2) {
      throw new UsageError(`Cannot foretell a text of ${ids.length} tokens: there must be two`);
    }
    const bytes = new TextEncoder().encode(cairn.tokenizer.decode(ids)).length;
    const position = { first: cairn.config.contextLength, tokensPerByte: ids.length / bytes };
    const options = memoryOptions({ ...values, reading: "recent", asking: "token" });
    const results: Results = [];
    for (const view of cairn.config.landmark ? VIEWS : STREAMED) {
      const losses = await measure(view, cairn, ids, { options, choose: values.choose, terminal });
      results.push({ view, ...byPosition(losses, position) });
    }
    if (values.json) {
      terminal.out(`${JSON.stringify({ tokens: ids.length, bytes, results })}\n`);
    } else terminal.out(tableOf(results, terminal));
  },
});

/** What a token may look at. */
type View = "chosen" | "recent" | "none" | "dense";
const VIEWS: readonly View[] = ["chosen", "recent", "none", "dense"];
/** Without landmarks there is nothing to choose: `recent` is the text as it is read. */
const STREAMED: readonly View[] = ["recent", "dense"];
type Results = { view: View; stretches: Stretch[]; all: Stretch }[];

/** How a view is measured. */
interface Settings {
  readonly options: MemoryOptions;
  readonly choose: BlockChoice;
  readonly terminal: Terminal;
}

async function measure(
  view: View,
  cairn: Cairn,
  ids: Int32Array,
  { options, choose, terminal }: Settings,
): Promise<TextLosses> {
  const { signal } = terminal;
  const progress = startProgress(terminal, view.padEnd(6));
  const onProgress = (tokens: number): void => progress.update(tokens, ids.length);
  const inSession = async (reading: BlockChoice): Promise<TextLosses> => {
    using session = cairn.session({ ...options, choose: { reading } });
    return await sessionLosses(session, ids, { signal, onProgress });
  };
  const inWindows = (length: number, overlap: number): Promise<TextLosses> => {
    const span = textTokens(length, cairn.mechanism.marker);
    const stride = Math.ceil(span * (1 - overlap));
    return windowLosses(cairn, ids, { length, stride, signal, onProgress });
  };
  try {
    const { contextLength, landmark } = cairn.config;
    const every = landmark?.blockSize ?? 1;
    const losses = view === "chosen"
      ? await inSession(choose)
      : view === "recent"
      ? await inSession("recent")
      : view === "none"
      ? await inWindows(landmark!.chunk, 0)
      : await inWindows(contextLength - contextLength % every, 0.5);
    progress.finish(ids.length);
    return losses;
  } catch (error) {
    progress.clear();
    throw error;
  }
}

function tableOf(results: Results, terminal: Terminal): string {
  const [{ stretches }] = results;
  const rows = stretches.map(({ from, to }, i) => [
    `${grouped(from)}–${grouped(to)}`,
    ...results.map(({ stretches }) => stretches[i].perplexity.toFixed(3)),
  ]);
  const bold = (text: string): string => paint(terminal, "bold", text);
  return "\nPerplexity a token, by position\n\n" + table([
    ["tokens", ...results.map(({ view }) => view)],
    ...rows,
    ["all", ...results.map(({ all }) => bold(all.perplexity.toFixed(3)))],
    ["bits a byte", ...results.map(({ all }) => bold(all.bitsPerByte.toFixed(3)))],
  ]);
}
