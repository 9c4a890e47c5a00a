import type { Cairn } from "../cairn.ts";
import { afterSpace, firstInteger, plainKey, randomKey } from "../eval/haystacks.ts";
import { random } from "../train/data/random.ts";
import { flag, number, type Values } from "./args.ts";
import { type Command, command, noWords } from "./command.ts";
import { openModel } from "./open_model.ts";
import { type Answered, answerOf, readWithProgress } from "./reading.ts";
import { drawReads } from "./reads.ts";
import { facts, grouped, paint, plural, type Terminal } from "./terminal.ts";

/** As much of the book as two cores read in well under a minute. */
const LETTERS = 104_000;

const OPTIONS = {
  letters: number("how much of the book to read", { least: 2000 }, LETTERS),
  all: flag("read the whole book"),
  seed: number("for the same key at the same place (default: another one each time)", { least: 0 }),
};

/** `cairn demo` */
export const demo: Command = command({
  name: "demo",
  summary: "Hides a pass key in a book, reads the book, and asks for the key.",
  usage: "",
  details:
    "The book is Newton's Opticks. The key stands at a random depth; the drawing shows which " +
    "blocks each head of each layer read while it answered.",
  options: OPTIONS,
  examples: [["demo", "the first part of the book"], ["demo --all --seed 7", "the whole book"]],
  async run(values, words, context) {
    noWords(words);
    const { terminal } = context;
    using cairn = await openModel(values, context);
    const book = await context.resources.book();
    const hidden = hide(book, values);
    const place = placeOf(hidden, cairn);
    if (!values.json) terminal.out(introduction(hidden, place, terminal));
    using session = cairn.session();
    const reading = await readWithProgress(session, hidden.text, { terminal });
    const { question } = hidden;
    const { signal } = terminal;
    const options = { maxTokens: MAX_TOKENS, stop: "\n", signal };
    const answered = await answerOf(cairn, session, question, options);
    const right = firstInteger(answered.text) === hidden.key;
    if (values.json) {
      const { seed, key, depth } = hidden;
      const { text: answer, blocks, counts } = answered;
      const readers = place && counts.readersOf(place.from, place.to);
      terminal.out(
        `${JSON.stringify({ seed, key, depth, answer, right, ...reading, blocks, readers })}\n`,
      );
    } else terminal.out(conclusion(hidden, place, answered, right, terminal));
    return right ? 0 : 1;
  },
});

/** An answer is ` 12345.` */
const MAX_TOKENS = 8;

/** A book with a key in it. */
interface Hidden {
  readonly text: string;
  readonly key: string;
  readonly statement: string;
  readonly question: string;
  /** Where in the text the statement begins. */
  readonly at: number;
  readonly depth: number;
  readonly bookLetters: number;
  readonly seed: number;
}

function hide(book: string, values: Values<typeof OPTIONS>): Hidden {
  const seed = values.seed ?? Math.floor(Math.random() * 1e6);
  const source = random(seed);
  const part = values.all ? book : book.slice(0, values.letters);
  const at = afterSpace(part, source.next());
  const key = randomKey(source);
  const { statement, prompt } = plainKey(key);
  return {
    text: `${part.slice(0, at)}\n${statement}\n${part.slice(at)}`,
    key,
    statement,
    question: prompt,
    at: at + 1,
    depth: at / part.length,
    bookLetters: book.length,
    seed,
  };
}

/** Which blocks of the text the statement stands in, and how many there are, if the model has any. */
function placeOf({ text, at, statement }: Hidden, { tokenizer, mechanism: { marker } }: Cairn) {
  if (!marker) return undefined;
  const { every } = marker;
  const blockAt = (letters: number): number =>
    Math.floor(tokenizer.encode(text.slice(0, letters)).length / (every - 1));
  return {
    from: blockAt(at),
    to: blockAt(at + statement.length - 1),
    blocks: blockAt(text.length),
    every,
  };
}
type Place = ReturnType<typeof placeOf>;

function introduction(hidden: Hidden, place: Place, terminal: Terminal): string {
  const { text, bookLetters, statement, depth, seed } = hidden;
  const amount = text.length >= bookLetters
    ? `all ${grouped(bookLetters)} letters`
    : `the first ${grouped(text.length)} of ${grouped(bookLetters)} letters`;
  const where = place &&
    (place.from === place.to
      ? `block ${grouped(place.from)}`
      : `blocks ${grouped(place.from)} and ${grouped(place.to)}`);
  return facts(terminal, [
    ["book", `Newton's Opticks, ${amount}`],
    ...place ? [["", `${plural(place.blocks, "block")} of ${place.every} tokens`] as const] : [],
    ["hidden", paint(terminal, "green", statement)],
    ["at", `${(100 * depth).toFixed(0)} % of the text${where ? `, ${where}` : ""}; seed ${seed}`],
  ]) + "\n";
}

function conclusion(
  { question }: Hidden,
  place: Place,
  { text, counts, blocks, lastFrom }: Answered,
  right: boolean,
  terminal: Terminal,
): string {
  const answer = paint(terminal, "bold", text.split("\n")[0].trim());
  const verdict = right ? paint(terminal, "green", "right") : paint(terminal, "red", "wrong");
  const line = `\n  ${question} ${answer}  (${verdict})\n`;
  if (!place) return line;
  const mark = { ...place, label: "the pass key" };
  return line + drawReads(terminal, counts, { blocks, lastFrom, mark });
}
