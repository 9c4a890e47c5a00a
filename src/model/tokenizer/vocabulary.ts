/** Checks of a `tokenizer.json` that its library leaves out. */
import { isRecord } from "../json.ts";
import { TokenizerError } from "./tokenizer_error.ts";

/** The ids of a tokenizer. */
export interface Vocabulary {
  /** Ids that stand for no text: special tokens and the landmark. */
  readonly special: ReadonlySet<number>;
  /** Ids that stand for something. */
  readonly known: ReadonlySet<number>;
}

/** What a tokenizer's ids must fit. */
export interface IdConfig {
  /** V. */
  readonly vocab: number;
  /** An id that is none of a text. */
  readonly landmarkToken: number | undefined;
}

/** Reads the ids of a `tokenizer.json`, and holds them against the model's configuration. */
export function checkVocabulary(
  json: unknown,
  config: IdConfig,
): Vocabulary {
  const model = isRecord(json) ? json["model"] : undefined;
  if (!isRecord(json) || !isRecord(model)) {
    throw new TokenizerError('"tokenizer.json" must be an object with a "model"');
  }
  if (model["type"] === "Unigram" && model["byte_fallback"] === true) {
    // The library would read unknown characters as the unknown token, and say nothing.
    throw new TokenizerError("its model must not be Unigram with byte_fallback: not supported");
  }
  const known = new Set<number>();
  const { landmarkToken } = config;
  const special = new Set(landmarkToken === undefined ? [] : [landmarkToken]);
  for (const { content, id, special: isSpecial } of addedTokens(json)) {
    known.add(checkId(content, id, config.vocab));
    if (isSpecial === true) special.add(id as number);
  }
  const isAdded = landmarkToken !== undefined && known.has(landmarkToken);
  for (const [token, id] of modelTokens(model)) {
    if (checkId(token, id, config.vocab) === landmarkToken && !isAdded) {
      const problem = `the landmark's id, ${id}, must be that of no text`;
      throw new TokenizerError(`${problem}: it is ${JSON.stringify(token)}`);
    }
    known.add(id as number);
  }
  return { special, known };
}

function modelTokens(model: Record<string, unknown>): Iterable<[string, unknown]> {
  const { vocab } = model;
  if (isRecord(vocab)) return Object.entries(vocab);
  if (Array.isArray(vocab)) return vocab.map((entry, id) => [String(entry?.[0]), id]);
  throw new TokenizerError('its "model.vocab" must be an object or a list');
}

interface AddedToken {
  content: string;
  id: unknown;
  special: unknown;
}

function addedTokens(json: Record<string, unknown>): AddedToken[] {
  const added = json["added_tokens"] ?? [];
  const isList = Array.isArray(added) &&
    added.every((token) => isRecord(token) && typeof token["content"] === "string");
  if (!isList) throw new TokenizerError('its "added_tokens" must be a list of tokens');
  return added as AddedToken[];
}

function checkId(token: string, id: unknown, vocab: number): number {
  if (Number.isSafeInteger(id) && (id as number) >= 0 && (id as number) < vocab) {
    return id as number;
  }
  const problem = `its ids must be in the model's vocabulary, [0, ${vocab - 1}]`;
  throw new TokenizerError(`${problem}: ${JSON.stringify(token)} is ${JSON.stringify(id)}`);
}
