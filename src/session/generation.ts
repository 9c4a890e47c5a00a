import type { Marker } from "../attention/mechanism.ts";
import type { BlocksRead } from "../memory/read_blocks.ts";
import type { ModelConfig } from "../model/config.ts";
import type { Tokenizer } from "../model/tokenizer.ts";
import type { DrawOptions, Draws } from "./draws.ts";
import type { Reader } from "./reader.ts";
import { checkSampling, seededUniform, type Uniform } from "./sampler.ts";
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
  /** Say which blocks were read; on a GPU that is one more read for each token. @default {true} */
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
  const { remember = false, signal, trace = true } = options;
  if (prompt.length > 0) {
    const ids = Int32Array.of(...opening, ...prompt);
    await reader.feed(ids, { purpose: "asking", trace, signal });
  }
  const forbidden = idsWithoutText(parts);
  const settings = { ...options, forbidden, uniform, maxTokens, remember, trace, signal };
  await using draws = reader.draws(settings);
  yield* pieces(parts, draws, settings);
}

async function* pieces(
  { config, tokenizer }: GenerationParts,
  draws: Draws,
  { maxTokens, remember, stop = [] }: DrawOptions & Pick<GenerateOptions, "stop">,
): AsyncGenerator<Piece, void, void> {
  const decoder = tokenizer.decoder();
  const out = stopText(typeof stop === "string" ? [stop] : stop);
  for (let i = 0; i < maxTokens; i++) {
    const { id, blocks } = await draws.next();
    if (config.endTokens.includes(id)) break;
    const piece = { text: out.push(decoder.push([id])), ids: [id], blocks };
    // Whoever leaves the loop leaves with all that was shown remembered.
    if (remember) await draws.take();
    yield piece;
    if (out.found) return;
    if (!remember && i + 1 < maxTokens) await draws.take();
  }
  const rest = out.push(decoder.end()) + out.end();
  if (rest !== "") yield { text: rest, ids: [], blocks: [] };
}

/** The marker, and ids that the tokenizer has no text for and that do not end a text. */
function idsWithoutText(
  { config: { vocab, endTokens }, marker, tokenizer: { vocabSize } }: GenerationParts,
): number[] {
  const beyond = Array.from({ length: Math.max(0, vocab - vocabSize) }, (_, i) => vocabSize + i);
  return [...marker ? [marker.token] : [], ...beyond.filter((id) => !endTokens.includes(id))];
}
