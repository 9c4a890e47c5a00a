import { CheckpointError } from "../model/checkpoint/checkpoint_error.ts";
import {
  type HostTensor,
  readSafetensors,
  writeSafetensors,
} from "../model/checkpoint/safetensors.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterShapes } from "../model/parameters.ts";
import type { Files } from "../io/files.ts";
import type { SplitCorpus } from "./data/corpus.ts";
import type { Recipe } from "./recipe.ts";
import type { TrainingState } from "./trainer.ts";

/** Written into every file; another number is another layout. */
const FORMAT = "cairn training 1";

/**
 * All that decides what a run computes, as text: two runs of one fingerprint that stand at the same
 * step with the same tensors go on to the same bits.
 */
export async function fingerprint(
  recipe: Recipe,
  { train, heldOut }: SplitCorpus,
): Promise<string> {
  // How often a run is looked at, and how it is saved, does not change it.
  const { evaluation: _, checkpointEvery: __, storage: ___, ...decisive } = recipe;
  const data = {
    ...decisive.data,
    train: await hash(train.tokens),
    heldOut: await hash(heldOut.tokens),
  };
  return JSON.stringify({ ...decisive, data });
}

/** Saves a run, whole or not at all. */
export async function saveTraining(
  files: Files,
  path: string,
  { step, tensors }: TrainingState,
  fingerprint: string,
): Promise<void> {
  const metadata = { format: FORMAT, step: `${step}`, fingerprint };
  await files.replace(path, (file) => writeSafetensors(file, tensors, { metadata }));
}

/**
 * Reads a saved run.
 *
 * @throws {CheckpointError} If the file is not a saved run of this model, or damaged.
 * @throws {RangeError} If recipe or text are not those the run was begun with; it says what changed.
 */
export async function loadTraining(
  files: Files,
  path: string,
  expected: { fingerprint: string; config: ModelConfig },
): Promise<TrainingState> {
  using file = await files.open(path);
  const { tensors, metadata } = await readSafetensors(file);
  if (metadata.format !== FORMAT) {
    const problem = `it must be a saved run ("${FORMAT}"): current value is "${metadata.format}"`;
    throw new CheckpointError(path, "", problem);
  }
  refuseOtherRun(path, metadata.fingerprint, expected.fingerprint);
  const step = Number(metadata.step);
  if (!Number.isSafeInteger(step) || step < 0) {
    const problem = `step must be a whole number: current value is "${metadata.step}"`;
    throw new CheckpointError(path, "", problem);
  }
  checkTensors(path, tensors, expected.config);
  return { step, tensors };
}

async function hash(tokens: Int32Array): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", new Int32Array(tokens));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function refuseOtherRun(path: string, actual: string, expected: string): void {
  if (actual === expected) return;
  const before = leaves(JSON.parse(actual));
  const now = leaves(JSON.parse(expected));
  const changed = [...new Set([...before.keys(), ...now.keys()])]
    .filter((field) => before.get(field) !== now.get(field))
    .map((field) => `${field} is ${now.get(field)}, it was ${before.get(field)}`);
  throw new RangeError(
    `Cannot go on from "${path}" as recipe and text must be those it was begun with: ` +
      changed.join("; "),
  );
}

/** Every number and text in a JSON value, by its path. */
function leaves(value: unknown, path = ""): Map<string, string> {
  if (typeof value !== "object" || value === null) return new Map([[path, JSON.stringify(value)]]);
  return new Map(
    Object.entries(value).flatMap(([name, inner]) => [
      ...leaves(inner, path === "" ? name : `${path}.${name}`),
    ]),
  );
}

function checkTensors(
  path: string,
  tensors: ReadonlyMap<string, HostTensor>,
  config: ModelConfig,
): void {
  for (const [name, shape] of parameterShapes(config)) {
    for (const stored of [name, `mean.${name}`, `variance.${name}`]) {
      const actual = tensors.get(stored)?.shape;
      if (actual?.join() === shape.join()) continue;
      const problem = `its shape must be [${shape.join(", ")}]: ` +
        (actual === undefined ? "it is missing" : `current value is [${actual.join(", ")}]`);
      throw new CheckpointError(path, stored, problem);
    }
  }
}
