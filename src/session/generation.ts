import type { BlocksRead, Marker } from "../attention/mechanism.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { Reader } from "./reader.ts";
import { checkSampling, sample, seededUniform, type Uniform } from "./sampler.ts";
import { stopText } from "./stop_text.ts";

/** Options of `Session.generate`. */
export interface GenerateOptions {
  /** Ends after so many. @default {256} */
  maxTokens?: number;
  /** 0 takes the likeliest token. @default {0} */
  temperature?: number | undefined;
  /** Picks among the so many likeliest. @default {Infinity} */
  topK?: number | undefined;
  /** Picks among the likeliest that together have this probability. @default {1} */
  topP?: number | undefined;
  /** For the same tokens again, if the temperature is not 0. */
  seed?: number | undefined;
  /** Ends before any of these texts. */
  stop?: string | readonly string[] | undefined;
  /** The session itself goes on, and remembers prompt and answer. @default {false} */
  remember?: boolean;
  /** Say which blocks were read. @default {true} */
  trace?: boolean;
  /** Ends the generation with its reason. */
  signal?: AbortSignal | undefined;
}

/** A piece of generated text. */
export interface Piece {
  /** May be empty, while a character is not whole or a stop text may have begun. */
  readonly text: string;
  /** The token that brought it; none at the very end. */
  readonly ids: readonly number[];
  /** The blocks that were read to foretell that token, by layer. */
  readonly blocks: readonly BlocksRead[];
}

/** What generation needs of its session. */
export interface GenerationParts {
  readonly config: ModelConfig;
  readonly marker: Marker | undefined;
  readonly tokenizer: Tokenizer;
  readonly reader: Reader;
  /** Waits for the calls before. */
  begin(): Promise<Disposable>;
  /** What is put before the first text of all. */
  opening(): readonly number[];
}

/** Checks everything, and begins when the first piece is asked for. */
export function generation(
  parts: GenerationParts,
  prompt: Int32Array,
  options: GenerateOptions,
): AsyncGenerator<Piece, void, void> {
  const { maxTokens = 256, seed } = options;
  if (!Number.isInteger(maxTokens) || maxTokens < 0) {
    throw new RangeError(
      `Cannot generate as maxTokens must be an integer of at least 0: current value is ${maxTokens}`,
    );
  }
  checkSampling(options);
  const uniform = seed === undefined ? Math.random : seededUniform(seed);
  return onReader(parts, prompt, options, maxTokens, uniform);
}

async function* onReader(
  parts: GenerationParts,
  prompt: Int32Array,
  options: GenerateOptions,
  maxTokens: number,
  uniform: Uniform,
): AsyncGenerator<Piece, void, void> {
  using scope = new DisposableStack();
  const turn = scope.use(await parts.begin());
  const opening = prompt.length === 0 ? [] : parts.opening();
  let { reader } = parts;
  if (!options.remember) {
    reader = scope.use(reader.fork());
    turn[Symbol.dispose]();
  }
  if (reader.next === undefined && prompt.length === 0) {
    throw new RangeError(
      "Cannot generate as the prompt must not be empty unless the session has read to an end",
    );
  }
  const { signal, trace = true } = options;
  const feed = (ids: Int32Array) => reader.feed(ids, { purpose: "asking", trace, signal });
  if (prompt.length > 0) await feed(Int32Array.of(...opening, ...prompt));
  yield* pieces(parts, reader, feed, options, maxTokens, uniform);
}

async function* pieces(
  { config, marker, tokenizer }: GenerationParts,
  reader: Reader,
  feed: (ids: Int32Array) => Promise<unknown>,
  options: GenerateOptions,
  maxTokens: number,
  uniform: Uniform,
): AsyncGenerator<Piece, void, void> {
  const { remember = false, stop = [] } = options;
  const decoder = tokenizer.decoder();
  const out = stopText(typeof stop === "string" ? [stop] : stop);
  const forbidden = idsWithoutText(config, marker, tokenizer);
  for (let i = 0; i < maxTokens; i++) {
    const id = sample(reader.next!, { ...options, forbidden }, uniform);
    if (config.endTokens.includes(id)) break;
    const piece = { text: out.push(decoder.push([id])), ids: [id], blocks: reader.blocks };
    // Whoever leaves the loop leaves with all that was shown remembered.
    if (remember) await feed(Int32Array.of(id));
    yield piece;
    if (out.found) return;
    if (!remember && i + 1 < maxTokens) await feed(Int32Array.of(id));
  }
  const rest = out.push(decoder.end()) + out.end();
  if (rest !== "") yield { text: rest, ids: [], blocks: [] };
}

/** The marker, and ids that the tokenizer has no text for and that do not end a text. */
function idsWithoutText(
  { vocab, endTokens }: ModelConfig,
  marker: Marker | undefined,
  { vocabSize }: Tokenizer,
): number[] {
  const beyond = Array.from({ length: Math.max(0, vocab - vocabSize) }, (_, i) => vocabSize + i);
  return [...marker ? [marker.token] : [], ...beyond.filter((id) => !endTokens.includes(id))];
}
