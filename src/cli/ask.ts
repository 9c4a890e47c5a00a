import type { Cairn } from "../cairn.ts";
import type { Session } from "../session/session.ts";
import { text, UsageError, type Values } from "./args.ts";
import { type Command, command, type CommonValues, type Context, oneWord } from "./command.ts";
import { openModel } from "./open_model.ts";
import { type Answered, answerOf, readWithProgress, samplingOptions } from "./reading.ts";
import { drawReads, quoteBlocks, quoteReads } from "./reads.ts";
import { MEMORY_OPTIONS, memoryOptions, SAMPLING_OPTIONS } from "./session_options.ts";
import { fileBytes, fileText, textBytes } from "./text_file.ts";

const OPTIONS = {
  file: text("TEXT", "a text to read, UTF-8"),
  memory: text("SNAPSHOT", "a memory that was saved: nothing is read again"),
  save: text("SNAPSHOT", "keep the memory, for --memory"),
  stop: text("TEXT", "where the answer ends", "\n"),
  ...MEMORY_OPTIONS,
  ...SAMPLING_OPTIONS,
};
type AskValues = Values<typeof OPTIONS> & CommonValues;

/** How many of the blocks that were read are quoted. */
const QUOTES = 3;

/** `cairn ask` */
export const ask: Command = command({
  name: "ask",
  summary: "Reads a text, answers a question, and shows which blocks were read.",
  usage: "(--file TEXT | --memory SNAPSHOT) QUESTION",
  details:
    "The answer goes on where the question ends. The embedded model knows questions such as " +
    '"What is the pass key? The pass key is"; docs/commands.md lists them.',
  options: OPTIONS,
  examples: [
    ['ask --file book.txt "What is the pass key? The pass key is"', "read, then answer"],
    [
      'ask --file book.txt --save book.cairn "What is the pass key? The pass key is"',
      "keep what was read",
    ],
    [
      'ask --memory book.cairn "What is the code word? The code word is"',
      "ask again, without reading again",
    ],
  ],
  async run(values, words, context) {
    const question = oneWord(words, "question");
    if ((values.file === undefined) === (values.memory === undefined)) {
      throw new UsageError("Cannot ask as there must be one of --file and --memory");
    }
    using cairn = await openModel(values, context);
    using session = await remember(cairn, values, context);
    if (values.save !== undefined) await session.save(values.save);
    const { terminal } = context;
    const sampling = samplingOptions(values, terminal.signal);
    const answered = await answerOf(cairn, session, question, { ...sampling, stop: values.stop });
    if (values.json) terminal.out(`${JSON.stringify(asJson(question, answered))}\n`);
    else await show(cairn, answered, values, context);
  },
});

/** A session that has read the text, now or earlier. */
async function remember(cairn: Cairn, values: AskValues, context: Context): Promise<Session> {
  const { file, memory } = values;
  const { terminal, files } = context;
  if (memory !== undefined) return await cairn.restore(memory, memoryOptions(values));
  const sizeBytes = await textBytes(files, file!);
  const session = cairn.session(memoryOptions(values));
  try {
    const tokens = cairn.config.tokenizer === "bytes" ? sizeBytes : undefined;
    await readWithProgress(session, fileBytes(files, file!), { terminal, tokens });
    return session;
  } catch (error) {
    session[Symbol.dispose]();
    throw error;
  }
}

async function show(
  cairn: Cairn,
  { text, counts, blocks, lastFrom }: Answered,
  values: AskValues,
  { terminal, files }: Context,
): Promise<void> {
  terminal.out(`${text.trim()}\n`);
  const { marker } = cairn.mechanism;
  if (!marker) return;
  if (blocks === 0) {
    terminal.out(`\nThe text is shorter than a block, which is ${marker.every} tokens.\n`);
    return;
  }
  terminal.out(drawReads(terminal, counts, { blocks, lastFrom }));
  const best = counts.top(QUOTES, lastFrom).map(({ block }) => block);
  if (values.file === undefined || best.length === 0) return;
  const quotes = await quoteBlocks(fileText(files, values.file), cairn.tokenizer, {
    blockSize: marker.every,
    blocks: best,
  });
  terminal.out(quoteReads(terminal, counts, quotes));
}

function asJson(question: string, { text, ids, counts, blocks, lastFrom, seconds }: Answered) {
  return { question, answer: text, ids, blocks, mostRead: counts.top(10, lastFrom), seconds };
}
