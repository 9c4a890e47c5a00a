/** Text to ids and back. */
import { type Files, isFile, joinPath, readText } from "../io/files.ts";
import type { ModelConfig } from "./config.ts";
import { parseJson } from "./json.ts";
import { byteTokenizer } from "./tokenizer/byte_tokenizer.ts";
import { TokenizerError } from "./tokenizer/tokenizer_error.ts";

/** Turns text that arrives in pieces into ids, as if it had come whole. */
export interface StreamEncoder {
  /** Ids that no later text can change. */
  push(text: string): Int32Array;
  /** Ids of the rest. */
  end(): Int32Array;
}

/** Turns ids that arrive one after another into text, never half a character. */
export interface StreamDecoder {
  /** Text that no later id can change. */
  push(ids: Iterable<number>): string;
  /** The rest; a character that never became whole is U+FFFD. */
  end(): string;
}

/**
 * Turns text into ids and back.
 *
 * Neither direction shows a landmark: encoding gives none, decoding leaves it out, as it leaves out
 * all ids that stand for no text. Encoding adds no special tokens (`ModelConfig.beginToken`) either.
 * Empty text has no ids, and no ids are the empty text.
 */
export interface Tokenizer {
  /** For people. */
  readonly name: string;
  /** Ids that text can have are below it. */
  readonly vocabSize: number;
  /** The ids of a text. @throws {RangeError} If it holds a lone surrogate. */
  encode(text: string): Int32Array;
  /** The text of ids; bytes that make no character give U+FFFD. */
  decode(ids: Iterable<number>): string;
  /** A new encoder for one text in pieces. */
  encoder(): StreamEncoder;
  /** A new decoder for one text. */
  decoder(): StreamDecoder;
}

/** The vocabularies of large models take some 20 MB. */
const LIMIT_BYTES = 2 ** 28;

/**
 * Reads the tokenizer of a model folder: bytes, or a `tokenizer.json` (and `tokenizer_config.json`
 * if it is there). The library for the latter is loaded only when it is needed.
 *
 * @throws {TokenizerError} If it cannot be read, or does not fit the model's configuration.
 * @throws {FileError} If its file is missing.
 */
export async function loadTokenizer(
  files: Files,
  folder: string,
  config: ModelConfig,
): Promise<Tokenizer> {
  if (config.tokenizer === "bytes") return byteTokenizer();
  const json = await readJson(files, joinPath(folder, "tokenizer.json"));
  const settingsPath = joinPath(folder, "tokenizer_config.json");
  const settings = await isFile(files, settingsPath) ? await readJson(files, settingsPath) : {};
  const { jsonTokenizer } = await import("./tokenizer/json_tokenizer.ts");
  const { vocab, landmark } = config;
  return jsonTokenizer(json, settings, { vocab, landmarkToken: landmark?.landmarkToken });
}

async function readJson(files: Files, path: string): Promise<unknown> {
  const text = await readText(files, path, { limitBytes: LIMIT_BYTES });
  try {
    return parseJson(text);
  } catch (cause) {
    throw new TokenizerError(`"${path}" must be JSON: ${(cause as Error).message}`, { cause });
  }
}
