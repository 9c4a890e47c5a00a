/** Asks a model for the keys in haystacks. */

import type { Session } from "../session/session.ts";
import { firstInteger, type Haystack, type Question } from "./haystacks.ts";

/** What became of one question. */
export interface Outcome {
  readonly question: Question;
  readonly answer: string;
  readonly right: boolean;
}

/** Options of {@linkcode askHaystack}. */
export interface AskOptions {
  signal?: AbortSignal | undefined;
  /** Called with the tokens read since the last call. */
  onProgress?: ((tokens: number) => void) | undefined;
}

/** A key of five digits, and what may stand before and after it. */
const MAX_TOKENS = 12;

/**
 * Reads a haystack and asks its questions. The session reads the text up to each key; a fork goes
 * on from there with the key and all that follows, so that every question is asked of a memory that
 * has read its own prompt, whole and in order.
 *
 * @param session Has read nothing yet; it has read a part of the haystack afterwards.
 */
export async function* askHaystack(
  session: Session,
  { text, questions }: Haystack,
  options: AskOptions = {},
): AsyncGenerator<Outcome> {
  const { signal, onProgress } = options;
  const read = async (session: Session, part: string): Promise<void> => {
    if (part === "") return;
    let seen = 0;
    await session.read(part, {
      signal,
      onProgress({ tokens }) {
        onProgress?.(tokens - seen);
        seen = tokens;
      },
    });
  };
  let at = 0;
  for (const question of questions) {
    await read(session, text.slice(at, question.at));
    at = question.at;
    using fork = await session.fork();
    await read(fork, question.insert + text.slice(at));
    let answer = "";
    const options = { maxTokens: MAX_TOKENS, trace: false, signal };
    for await (const piece of fork.generate(question.prompt, options)) {
      answer += piece.text;
      if (/\d\D/.test(answer)) break; // the first number is complete
    }
    // Written with a leading zero or not, 1 … 50 000 are the same numbers; five digits are five.
    yield { question, answer, right: firstInteger(answer) === question.key };
  }
}

/** Letters that {@linkcode askHaystack} reads in all, for a bar. */
export function lettersToRead({ text, questions }: Haystack): number {
  const shared = Math.max(0, ...questions.map(({ at }) => at));
  return questions.reduce((sum, { at, insert }) => sum + text.length - at + insert.length, shared);
}
