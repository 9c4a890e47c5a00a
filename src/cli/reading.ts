/** Reading and answering, as commands show it. */

import type { Cairn } from "../cairn.ts";
import type { GenerateOptions } from "../session/generation.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Session } from "../session/session.ts";
import type { TextSource } from "../session/text_source.ts";
import type { Values } from "./args.ts";
import { startProgress } from "./progress.ts";
import { countReads, type ReadCounts } from "./reads.ts";
import type { SAMPLING_OPTIONS } from "./session_options.ts";
import type { Terminal } from "./terminal.ts";

/** What reading took. */
export interface ReadReport {
  readonly tokens: number;
  readonly seconds: number;
}

/** Options of {@linkcode readWithProgress}. */
export interface ReadingOptions {
  terminal: Terminal;
  /** About how many tokens a stream is. */
  tokens?: number | undefined;
}

/** Reads a text into a session, with a bar. */
export async function readWithProgress(
  session: Session,
  text: TextSource,
  { terminal, tokens }: ReadingOptions,
): Promise<ReadReport> {
  const progress = startProgress(terminal, "reading");
  try {
    const stats = await session.read(text, {
      signal: terminal.signal,
      onProgress: (reached) => progress.update(reached.tokens, reached.total ?? tokens),
    });
    progress.finish(stats.tokens);
    return { tokens: stats.tokens, seconds: stats.elapsedMs / 1000 };
  } catch (error) {
    progress.clear();
    throw error;
  }
}

/** An answer, and what it was read from. */
export interface Answered {
  readonly text: string;
  readonly ids: readonly number[];
  readonly counts: ReadCounts;
  /** Blocks of the text when the question was asked. */
  readonly blocks: number;
  /** The first of those that may be read without being chosen. */
  readonly lastFrom: number;
  readonly seconds: number;
}

/** What {@linkcode SAMPLING_OPTIONS} ask of `generate`. */
export function samplingOptions(
  values: Values<typeof SAMPLING_OPTIONS>,
  signal: AbortSignal,
): GenerateOptions {
  return {
    maxTokens: values["max-tokens"],
    temperature: values.temperature,
    topK: values["top-k"],
    topP: values["top-p"],
    seed: values.seed,
    signal,
  };
}

/** How many blocks so many tokens of text fill, and from which on they are read as the last ones. */
function blocksBehind({ landmark }: ModelConfig, tokens: number) {
  if (!landmark) return { blocks: 0, lastFrom: 0 };
  const { blockSize, chunk, topBlocks } = landmark;
  const blocks = Math.floor(tokens / (blockSize - 1));
  // Behind the section and the K blocks before it, once more as many: between blocks that score
  // alike the later one is chosen.
  return { blocks, lastFrom: blocks - 2 * (chunk / blockSize + topBlocks) };
}

/** Asks a session, on a line of its own, and counts what is read for the answer. */
export async function answerOf(
  { config }: Cairn,
  session: Session,
  question: string,
  options: GenerateOptions,
): Promise<Answered> {
  const start = performance.now();
  const counts = countReads();
  const { blocks, lastFrom } = blocksBehind(config, session.tokens);
  const prompt = session.tokens === 0 ? question : `\n${question}`;
  let text = "";
  const ids: number[] = [];
  for await (const piece of session.generate(prompt, options)) {
    text += piece.text;
    ids.push(...piece.ids);
    counts.add(piece.blocks);
  }
  return { text, ids, counts, blocks, lastFrom, seconds: (performance.now() - start) / 1000 };
}
