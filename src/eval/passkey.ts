/** Asks a model for the keys in haystacks. */

import type { Session } from "../session/session.ts";
import { firstInteger, type Haystack, idsOf, type Question, type Variant } from "./haystacks.ts";

/** What became of one question. */
export interface Outcome {
  readonly question: Question;
  readonly answer: string;
  readonly right: boolean;
}

/** Options of {@linkcode askHaystack}. */
export interface AskOptions {
  /**
   * Read every variant from its beginning, and not only what its needles change: needed where
   * blocks are chosen while a text is read. @default {false}
   */
  whole?: boolean;
  signal?: AbortSignal | undefined;
  /** Called with how many ids of a text were read. */
  onProgress?: ((ids: number) => void) | undefined;
}

/** A key of five digits, and what may stand before and after it. */
const MAX_TOKENS = 12;

/**
 * Reads a haystack, and asks the questions of each variant of forks that have its needles in them:
 * what they remember is what reading the variant from its beginning would have left.
 *
 * @param session Has read nothing yet; it has read the filler afterwards, unless `whole` is set.
 */
export async function* askHaystack(
  session: Session,
  haystack: Haystack,
  options: AskOptions = {},
): AsyncGenerator<Outcome> {
  const { whole = false, signal, onProgress } = options;
  const reading = {
    signal,
    onProgress: ({ tokens }: { tokens: number }): void => onProgress?.(tokens),
  };
  if (!whole) await session.readIds(haystack.ids, reading);
  for (const variant of haystack.variants) {
    using fork = await session.fork();
    if (whole) await fork.readIds(idsOf(haystack, variant), reading);
    else await putNeedles(fork, haystack, variant, signal);
    for (const question of variant.questions) yield await ask(fork, question, signal);
  }
}

/** One after the other, each into the text that has those before it. */
async function putNeedles(
  session: Session,
  haystack: Haystack,
  { needles, questions }: Variant,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (const [i, { at, ids }] of needles.entries()) {
    const text = idsOf(haystack, { needles: needles.slice(0, i + 1), questions });
    await session.replaceIds(text, { from: at, to: at + ids.length }, { signal });
  }
}

async function ask(
  session: Session,
  question: Question,
  signal: AbortSignal | undefined,
): Promise<Outcome> {
  let answer = "";
  const options = { maxTokens: MAX_TOKENS, trace: false, signal };
  for await (const piece of session.generate(question.prompt, options)) {
    answer += piece.text;
    if (/\d\D/.test(answer)) break; // the first number is complete
  }
  // Written with a leading zero or not, 1 … 50 000 are the same numbers; five digits are five.
  return { question, answer, right: firstInteger(answer) === question.key };
}
