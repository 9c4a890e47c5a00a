/** Tokenizers that come as a `tokenizer.json`, through Hugging Face's own library for it. */
import { Tokenizer as JsonTokenizer } from "@huggingface/tokenizers";
import { isRecord } from "../json.ts";
import type { StreamDecoder, StreamEncoder, Tokenizer } from "../tokenizer.ts";
import { TokenizerError } from "./tokenizer_error.ts";
import { checkVocabulary, type IdConfig } from "./vocabulary.ts";
import { checkText, textStream } from "./well_formed.ts";

/**
 * Makes a tokenizer from the contents of a `tokenizer.json` and a `tokenizer_config.json`.
 *
 * @throws {TokenizerError} If they cannot be read, or do not fit the model's configuration.
 */
export function jsonTokenizer(
  json: unknown,
  settings: unknown,
  config: IdConfig,
): Tokenizer {
  const { special, known } = checkVocabulary(json, config);
  const library = construct(json as Record<string, unknown>, settings);

  function encode(text: string): Int32Array {
    if (text === "") return new Int32Array(0);
    const { ids } = library.encode(text, { add_special_tokens: false });
    const { landmarkToken } = config;
    if (landmarkToken !== undefined && ids.includes(landmarkToken)) {
      const spelled = JSON.stringify(library.id_to_token(landmarkToken));
      throw new RangeError(`Cannot encode text as it must not spell the landmark, ${spelled}`);
    }
    if (!ids.every(Number.isInteger)) {
      throw new RangeError(
        "Cannot encode text as the tokenizer must know its characters, or have an unknown token",
      );
    }
    return Int32Array.from(ids);
  }

  const isText = (id: number): boolean => known.has(id) && !special.has(id);

  function decode(ids: Iterable<number>): string {
    const spoken = Array.from(ids).filter(isText);
    if (spoken.length === 0) return "";
    return library.decode(spoken, { clean_up_tokenization_spaces: false });
  }

  const cuts = cutsAtSpaces(encode);
  return {
    name: "tokenizer.json",
    vocabSize: config.vocab,
    encode(text) {
      checkText(text);
      return encode(text);
    },
    decode,
    encoder: () => streamEncoder(encode, cuts),
    decoder: () => streamDecoder(decode, isText),
  };
}

function construct(json: Record<string, unknown>, settings: unknown): JsonTokenizer {
  if (!isRecord(settings)) throw new TokenizerError('"tokenizer_config.json" must be an object');
  try {
    return new JsonTokenizer(json, settings);
  } catch (cause) {
    const problem = `its parts must be supported ones: ${(cause as Error).message}`;
    throw new TokenizerError(problem, { cause });
  }
}

/** Text is encoded once so much of it is there; fewer, longer calls are no faster. */
const PIECE = 4096;

/** Where a word ends and a space begins the next one: most tokenizers part words there. */
const WORD_BORDER = /(?<=[\p{L}\p{N}])(?= \p{L})/gu;

/** Whether a text cut at word borders gives the same ids as the whole. */
function cutsAtSpaces(encode: (text: string) => Int32Array): boolean {
  // The last border is the one that {@linkcode streamEncoder} cuts at, so each must hold.
  const text = "A cairn, 12 stones high: don't pass it. It marks a path élan über\n to 7 hills";
  const whole = encode(text).join();
  return text.split(WORD_BORDER).length > 1 &&
    whole === text.split(WORD_BORDER).flatMap((part) => [...encode(part)]).join();
}

function streamEncoder(encode: (text: string) => Int32Array, cuts: boolean): StreamEncoder {
  const stream = textStream();
  let held = "";
  return {
    push(text) {
      held += stream.push(text);
      if (!cuts || held.length < PIECE) return new Int32Array(0);
      const end = lastBorder(held);
      const ready = held.slice(0, end);
      held = held.slice(end);
      return encode(ready);
    },
    end() {
      const rest = held + stream.end();
      held = "";
      return encode(rest);
    },
  };
}

/** The last word border; 0 if there is none. */
function lastBorder(text: string): number {
  for (let at = text.length; (at = text.lastIndexOf(" ", at - 1)) > 0;) {
    const around = text.slice(Math.max(0, at - 2), at + 3);
    WORD_BORDER.lastIndex = 0;
    for (const { index } of around.matchAll(WORD_BORDER)) {
      if (Math.max(0, at - 2) + index === at) return at;
    }
  }
  return 0;
}

/** More ids than one character can take: what is held then is not text that will become whole. */
const MOST_HELD = 16;

function streamDecoder(
  decode: (ids: Iterable<number>) => string,
  isText: (id: number) => boolean,
): StreamDecoder {
  // Decoders may drop the first space of a text: the ids before give the new ones their context.
  let context: number[] = [];
  let held: number[] = [];
  const release = (text: string): string => {
    context = held.length > 0 ? held : context;
    held = [];
    return text;
  };
  const fresh = (): string => decode([...context, ...held]).slice(decode(context).length);
  return {
    push(ids) {
      let text = "";
      for (const id of ids) {
        if (!isText(id)) continue; // it would take the context's place
        held.push(id);
        const next = fresh();
        // A character whose last bytes are still to come reads as U+FFFD.
        if (!next.endsWith("\uFFFD") || held.length >= MOST_HELD) text += release(next);
      }
      return text;
    },
    end: () => release(fresh()),
  };
}
