/** Text to tokens, without landmarks. */
export type Encode = (text: string) => ArrayLike<number>;

/** A text as the trainer uses it. */
export interface Corpus {
  readonly tokens: Int32Array;
  /** UTF-8 bytes in the text, so that losses can be given per byte whatever the tokenizer. */
  readonly bytes: number;
}

/** A text in two parts: one to learn from, and one to be examined on. */
export interface SplitCorpus {
  readonly train: Corpus;
  readonly heldOut: Corpus;
  /** Lower-case words of the training text, each once, sorted. */
  readonly words: readonly string[];
}

/**
 * Cuts the last part of each text off to be held out, and joins what remains.
 *
 * @param texts Whole texts. They are cut between lines.
 * @param heldOut The share of every text that is held out, in [0, 1).
 */
export function splitCorpus(
  texts: readonly string[],
  heldOut: number,
  encode: Encode,
): SplitCorpus {
  const cut = texts.map((text) => cutText(text, heldOut));
  const train = cut.map(([head]) => head).join("\n");
  return {
    train: corpus(train, encode),
    heldOut: corpus(cut.map(([, tail]) => tail).filter((tail) => tail !== "").join("\n"), encode),
    words: wordsOf(train),
  };
}

/** A text made ready. */
export function corpus(text: string, encode: Encode): Corpus {
  return {
    tokens: new Int32Array(encode(text)),
    bytes: new TextEncoder().encode(text).length,
  };
}

/** Lower-case words of 3 to 9 Latin letters, each once, sorted: names and values for the tasks. */
export function wordsOf(text: string): string[] {
  return [...new Set(text.match(/(?<![\p{L}\p{N}'’-])[a-z]{3,9}(?![\p{L}\p{N}'’-])/gu))].sort();
}

function cutText(text: string, heldOut: number): [string, string] {
  if (heldOut === 0) return [text, ""];
  const wanted = Math.floor(text.length * (1 - heldOut));
  const line = text.lastIndexOf("\n", wanted);
  const at = line < 0 ? wanted : line + 1;
  return [text.slice(0, at), text.slice(at)];
}
