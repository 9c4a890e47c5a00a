import { utf8Text } from "../model/tokenizer/utf8.ts";
import type { StreamEncoder } from "../model/tokenizer.ts";

/** A text: at once, or as a stream of text or UTF-8 bytes. */
export type TextSource =
  | string
  | ReadableStream<Uint8Array>
  | ReadableStream<string>
  | AsyncIterable<Uint8Array>
  | AsyncIterable<string>;

/** A text's ids, as they come. */
export interface TextIds {
  readonly chunks: AsyncIterable<Int32Array> | Iterable<Int32Array>;
  /** How many there are, if that is known. */
  readonly total: number | undefined;
}

/**
 * The ids of a text, behind `opening` ones.
 *
 * @throws {TextError} When the bytes turn out not to be UTF-8.
 * @throws {RangeError} If a text holds a lone surrogate.
 */
export function idsOf(
  text: TextSource,
  encoder: StreamEncoder,
  opening: readonly number[],
): TextIds {
  const first = Int32Array.from(opening);
  if (typeof text !== "string") {
    return { chunks: streamIds(text, encoder, first), total: undefined };
  }
  const chunks = text === "" ? [] : [first, encoder.push(text), encoder.end()];
  return { chunks, total: chunks.reduce((sum, ids) => sum + ids.length, 0) };
}

async function* streamIds(
  source: Exclude<TextSource, string>,
  encoder: StreamEncoder,
  first: Int32Array,
): AsyncGenerator<Int32Array, void, void> {
  let opening = first;
  for await (const text of textOf(source)) {
    if (text === "") continue;
    yield opening;
    opening = new Int32Array(0);
    yield encoder.push(text);
  }
  yield encoder.end();
}

/** Text, whether it comes as text or as bytes. */
async function* textOf(source: Exclude<TextSource, string>): AsyncGenerator<string, void, void> {
  const chunks = (source as AsyncIterable<Uint8Array | string>)[Symbol.asyncIterator]();
  try {
    const head = await chunks.next();
    if (head.done) return;
    const rest = async function* () {
      yield head.value;
      for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
    };
    if (typeof head.value === "string") yield* rest() as AsyncIterable<string>;
    else yield* utf8Text(rest() as AsyncIterable<Uint8Array>);
  } finally {
    await chunks.return?.();
  }
}
