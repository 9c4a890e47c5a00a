import type { NegativesOptions } from "./data/negatives.ts";
import type { Mixture, SequenceKind } from "./data/sequences.ts";
import { parseJson } from "../model/json.ts";
import { FieldError, list, number, object, oneOf, optional, type Read, text } from "./fields.ts";

/** Everything a training run follows from; docs/training.md explains each field. */
export interface Recipe {
  /** A model's `config.json`, or the folder of a model to go on from. */
  readonly model: string | Readonly<Record<string, unknown>>;
  readonly data: DataRecipe;
  /** How likely each kind of sequence is. @default {{ text: 1 }} */
  readonly mixture: Mixture;
  /** The share of statements in running text that a border of blocks is put into. @default {0} */
  readonly cutStatements: number;
  /** Tokens a row, landmarks included. */
  readonly length: number;
  /** Rows that go through the model at once. */
  readonly batch: number;
  /** Windows that a gradient flows back through, where a mechanism cuts rows. @default {all of a row} */
  readonly backWindows: number | undefined;
  /** How many such batches make a step. @default {1} */
  readonly accumulate: number;
  readonly steps: number;
  readonly optimizer: OptimizerRecipe;
  /** Foreign blocks; without them long texts are beyond the model. @default {undefined} */
  readonly negatives: NegativesRecipe | undefined;
  readonly evaluation: EvaluationRecipe;
  /** Steps from one training checkpoint to the next. @default {500} */
  readonly checkpointEvery: number;
  /** How the model is stored at the end. @default {"F32"} */
  readonly storage: "F32" | "F16";
  /** @default {1} */
  readonly seed: number;
}

/** What a model learns from. */
export interface DataRecipe {
  /** Text files, UTF-8. */
  readonly text: readonly string[];
  /** The share at the end of every text that is kept for evaluation. @default {0.1} */
  readonly heldOut: number;
}

/** AdamW, and its rate over the steps. */
export interface OptimizerRecipe {
  /** The highest rate. @default {2e-3} */
  readonly rate: number;
  /** @default {0.9} */
  readonly beta1: number;
  /** @default {0.95} */
  readonly beta2: number;
  /** @default {1e-8} */
  readonly epsilon: number;
  /** On matrices, the embedding aside. @default {0.1} */
  readonly decay: number;
  /** The highest rate of mechanisms' gates, which need a larger one. @default {0.01} */
  readonly gateRate: number;
  /** The largest norm of a gradient. @default {1} */
  readonly clip: number;
  /** Steps from nothing to the highest rate. @default {200} */
  readonly warmUp: number;
  /** `cosine`: down from the warm-up's end. `hold`: stay, and go down at the end. @default {"cosine"} */
  readonly schedule: "cosine" | "hold";
  /** The share of the steps in which `hold` goes down. @default {0.25} */
  readonly decayShare: number;
  /** The last rate, as a share of the highest. @default {0.05} */
  readonly floor: number;
}

/** Foreign blocks, and from which step on. */
export interface NegativesRecipe extends NegativesOptions {
  /** @default {1} */
  readonly fromStep: number;
}

/** How a model is examined while it learns. */
export interface EvaluationRecipe {
  /** Steps from one evaluation to the next. @default {250} */
  readonly every: number;
  /** Rows of held-out text. @default {64} */
  readonly textRows: number;
  /** Rows with pairs, to see how many answers are right; 0 if the mixture has no pairs. @default {32} */
  readonly answerRows: number;
}

const KINDS: readonly SequenceKind[] = ["text", "pairsInText", "densePairs", "copy"];
const count = (least: number): Read<number> => number({ whole: true, least });
const share = number({ least: 0, most: 1 });

const readOptimizer = object<OptimizerRecipe>({
  rate: optional(number({ above: 0 }), 2e-3),
  beta1: optional(number({ least: 0, below: 1 }), 0.9),
  beta2: optional(number({ least: 0, below: 1 }), 0.95),
  epsilon: optional(number({ above: 0 }), 1e-8),
  decay: optional(number({ least: 0 }), 0.1),
  gateRate: optional(number({ above: 0 }), 0.01),
  clip: optional(number({ above: 0 }), 1),
  warmUp: optional(count(0), 200),
  schedule: optional(oneOf("cosine", "hold"), "cosine"),
  decayShare: optional(share, 0.25),
  floor: optional(share, 0.05),
});

const readNegatives = object<NegativesRecipe>({
  count: optional(count(1), 256),
  least: optional(count(1), 32),
  probability: optional(readProbability, perKind(() => 0.5)),
  places: optional(oneOf("first", "spread"), "first"),
  alike: optional(share, 0),
  weight: optional(number({ least: 1 }), 1),
  fromStep: optional(count(1), 1),
});

const readEvaluation = object<EvaluationRecipe>({
  every: optional(count(1), 250),
  textRows: optional(count(1), 64),
  answerRows: optional(count(0), 32),
});

const readRecipe = object<Recipe>({
  model: readModel,
  data: object<DataRecipe>({
    text: list(text),
    heldOut: optional(number({ least: 0, below: 1 }), 0.1),
  }),
  mixture: optional(readMixture, perKind((kind) => kind === "text" ? 1 : 0)),
  cutStatements: optional(share, 0),
  length: count(2),
  batch: count(1),
  backWindows: optional(count(1), undefined),
  accumulate: optional(count(1), 1),
  steps: count(1),
  optimizer: (value, path) => readOptimizer(value ?? {}, path),
  negatives: optional(readNegatives, undefined),
  evaluation: (value, path) => readEvaluation(value ?? {}, path),
  checkpointEvery: optional(count(1), 500),
  storage: optional(oneOf("F32", "F16"), "F32"),
  seed: optional(count(0), 1),
});

/**
 * Reads a recipe file.
 *
 * @param json The text of the file.
 * @throws {SyntaxError} If it is not JSON.
 * @throws {FieldError} If a field is missing, unknown or out of range; it says which one.
 */
export function parseRecipe(json: string): Recipe {
  let value: unknown;
  try {
    value = parseJson(json);
  } catch (cause) {
    throw new SyntaxError(
      `Cannot read the recipe as it must be JSON: ${(cause as Error).message}`,
      {
        cause,
      },
    );
  }
  const recipe = readRecipe(value, "");
  if (recipe.optimizer.warmUp >= recipe.steps) {
    throw new FieldError(
      "optimizer.warmUp",
      `below the number of steps, ${recipe.steps}`,
      recipe.optimizer.warmUp,
    );
  }
  return recipe;
}

function readModel(value: unknown, path: string): Recipe["model"] {
  if (typeof value === "string" && value !== "") return value;
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FieldError(path, "a model's configuration or the path of its folder", value);
  }
  return value as Record<string, unknown>;
}

function readMixture(value: unknown, path: string): Mixture {
  const none = optional(number({ least: 0 }), 0);
  const mixture = object<Mixture>(perKind(() => none))(value, path);
  if (Object.values(mixture).every((share) => share === 0)) {
    throw new FieldError(path, "above 0 for one kind at least", value);
  }
  return mixture;
}

function readProbability(value: unknown, path: string): NegativesOptions["probability"] {
  if (typeof value === "number") return perKind(() => share(value, path));
  return object<NegativesOptions["probability"]>(perKind(() => share))(value, path);
}

function perKind<Value>(make: (kind: SequenceKind) => Value): Record<SequenceKind, Value> {
  return Object.fromEntries(KINDS.map((kind) => [kind, make(kind)])) as Record<SequenceKind, Value>;
}
