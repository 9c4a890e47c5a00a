/**
 * Several mechanisms in the same model, trained on the same tokens of the same text, and measured in
 * the same way. docs/compare.md says what the figures show, and what they do not.
 */

import type { Cairn } from "../cairn.ts";
import { isRecord, parseJson } from "../model/json.ts";
import { parameterShapes } from "../model/parameters.ts";
import { FieldError, list, number, object, optional } from "../train/fields.ts";
import { random } from "../train/data/random.ts";
import { parseRecipe, type Recipe } from "../train/recipe.ts";
import { byPosition, type Stretch } from "./by_position.ts";
import { makeHaystacks } from "./haystacks.ts";
import { askHaystack, type Outcome } from "./passkey.ts";
import { sessionLosses } from "./text_losses.ts";
import { type Share, wilson } from "./wilson.ts";

/** How models are measured once they are trained. */
export interface ComparisonMeasure {
  /** Of held-out text, foretold one after another. @default {16384} */
  readonly tokens: number;
  /** Of prompts with a pass key, landmarks aside. @default {[2048, 8192]} */
  readonly lengths: readonly number[];
  /** For each length. @default {20} */
  readonly prompts: number;
  /** @default {1} */
  readonly seed: number;
}

/** What is compared, and how. */
export interface Comparison {
  /** By what they are called: recipes that differ in their model alone. */
  readonly recipes: ReadonlyMap<string, Recipe>;
  readonly measure: ComparisonMeasure;
}

const readMeasure = object<ComparisonMeasure>({
  tokens: optional(number({ whole: true, least: 256 }), 16_384),
  lengths: optional(list(number({ whole: true, least: 2000 })), [2048, 8192]),
  prompts: optional(number({ whole: true, least: 1 }), 20),
  seed: optional(number({ whole: true, least: 0 }), 1),
});

/**
 * Reads the file of a comparison: a `recipe` whose `model` has no mechanism, `models` by name, each
 * with the fields that it adds to that model or has otherwise, and how they are measured (`measure`).
 *
 * @throws {SyntaxError} If it is not JSON.
 * @throws {FieldError | ConfigError} If a field is missing, unknown or out of range.
 */
export function parseComparison(json: string): Comparison {
  let value: unknown;
  try {
    value = parseJson(json);
  } catch (cause) {
    const problem = `Cannot read the comparison as it must be JSON: ${(cause as Error).message}`;
    throw new SyntaxError(problem, { cause });
  }
  const { recipe, models, measure } = object({
    recipe: record,
    models: record,
    measure: (value: unknown, path: string) => readMeasure(value ?? {}, path),
  })(value, "");
  const shared = record(recipe.model, "recipe.model");
  const names = Object.keys(models);
  if (names.length === 0) throw new FieldError("models", "an object with a model at least", models);
  return {
    measure,
    recipes: new Map(names.map((name) => {
      const change = record(models[name], `models.${name}`);
      const model = { ...shared, ...change };
      return [name, parseRecipe(JSON.stringify({ ...recipe, model }))];
    })),
  };
}

function record(value: unknown, path: string): Record<string, unknown> {
  if (isRecord(value)) return value;
  throw new FieldError(path, "an object", value);
}

/** What became of one model. */
export interface ModelResult {
  readonly name: string;
  readonly parameters: number;
  /** How well held-out text is foretold, as it is read from its beginning on. */
  readonly text: { readonly stretches: readonly Stretch[]; readonly all: Stretch };
  /** Bytes that a session held at the end of that text, shared ones included. */
  readonly memoryBytes: number;
  /** Of that text, as it was read without asking what comes next. */
  readonly tokensPerSecond: number;
  /** The device that it was measured on. */
  readonly device: string;
  /** Pass keys that were found, by the length of the prompt, and by fifths of its depth. */
  readonly passkeys: readonly { length: number; all: Share; byDepth: readonly Share[] }[];
}

/** Options of {@linkcode measureModel}. */
export interface MeasureOptions {
  signal?: AbortSignal | undefined;
  /** Called with what is being measured, and how far it is. */
  onProgress?: ((what: string, done: number, total: number) => void) | undefined;
}

const DEPTHS = 5;

/** Measures a trained model on text that it has not learnt from. */
export async function measureModel(
  name: string,
  cairn: Cairn,
  heldOut: string,
  measure: ComparisonMeasure,
  options: MeasureOptions = {},
): Promise<ModelResult> {
  const { signal, onProgress } = options;
  const { config, tokenizer } = cairn;
  const ids = tokenizer.encode(heldOut).subarray(0, measure.tokens);
  const bytes = new TextEncoder().encode(tokenizer.decode(ids)).length;
  let losses: Float64Array;
  {
    using session = cairn.session();
    losses = await sessionLosses(session, ids, {
      signal,
      onProgress: (done) => onProgress?.("text", done, ids.length),
    });
  }
  using session = cairn.session();
  const { tokens, elapsedMs } = await session.readIds(ids, { signal });
  const passkeys = [];
  for (const length of measure.lengths) {
    passkeys.push(await findKeys(cairn, heldOut, length, measure, options));
  }
  return {
    name,
    parameters: [...parameterShapes(config).values()]
      .reduce((sum, shape) => sum + shape.reduce((size, length) => size * length, 1), 0),
    text: byPosition(losses, { first: config.contextLength, tokensPerByte: ids.length / bytes }),
    memoryBytes: session.inspect().totalBytes,
    tokensPerSecond: 1000 * tokens / elapsedMs,
    device: cairn.device.info.name,
    passkeys,
  };
}

async function findKeys(
  cairn: Cairn,
  book: string,
  length: number,
  { prompts, seed }: ComparisonMeasure,
  { signal, onProgress }: MeasureOptions,
) {
  const { tokenizer, mechanism } = cairn;
  const haystacks = makeHaystacks("text", {
    ...{ length, questions: prompts, book, tokenizer },
    random: random(seed, length),
  });
  const whole = !mechanism.capabilities.replaceable;
  const outcomes: Outcome[] = [];
  for (const haystack of haystacks) {
    using session = cairn.session();
    for await (const outcome of askHaystack(session, haystack, { whole, signal })) {
      onProgress?.(`pass keys at ${length}`, outcomes.push(outcome), prompts);
    }
  }
  const share = (some: readonly Outcome[]): Share =>
    wilson(some.filter(({ right }) => right).length, some.length);
  const byDepth = Array.from(
    { length: DEPTHS },
    (_, i) => share(outcomes.filter(({ question }) => Math.floor(question.depth * DEPTHS) === i)),
  );
  return { length, all: share(outcomes), byDepth };
}
