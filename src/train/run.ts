import type { Device } from "../device/device.ts";
import {
  type Files,
  isFile,
  joinPath,
  readBytes,
  readText,
  writeBytes,
  writeText,
} from "../io/files.ts";
import { type HostModel, loadCheckpoint, saveCheckpoint } from "../model/checkpoint/checkpoint.ts";
import { parseConfig } from "../model/config.ts";
import { mechanismOf } from "../model/mechanism_of.ts";
import { loadTokenizer } from "../model/tokenizer.ts";
import { splitCorpus } from "./data/corpus.ts";
import { FieldError } from "./fields.ts";
import { initialWeights } from "./initial_weights.ts";
import { type TrainingEvent, trainingLoop } from "./loop.ts";
import { lossPlot, lossRow, openLossLog } from "./loss_log.ts";
import type { Recipe } from "./recipe.ts";
import { createTrainer } from "./trainer.ts";
import { fingerprint, loadTraining, saveTraining } from "./training_checkpoint.ts";

/** Options of {@linkcode runTraining}. */
export interface RunOptions {
  device: Device;
  /** Where the recipe's paths lead, and where the results go. */
  files: Files;
  /** Go on from the last checkpoint in the folder. @default {false} */
  resume?: boolean;
  /** Ends the run after the step in progress, and saves it. */
  signal?: AbortSignal | undefined;
}

/** What a run leaves in its folder. */
const RESULTS = {
  checkpoint: "training.safetensors",
  losses: "losses.jsonl",
  plot: "loss.svg",
  model: "model",
} as const;
const TOKENIZER_FILES = ["tokenizer.json", "tokenizer_config.json"];

/**
 * Trains a model by a recipe, and yields what happens. The folder gets the losses as JSON lines
 * (`losses.jsonl`) and drawn (`loss.svg`), what a later run needs to go on
 * (`training.safetensors`), and at the end the model (`model/`).
 *
 * @param folder Made if it is missing; one that holds a run is refused unless `resume` is set.
 */
export async function* runTraining(
  recipe: Recipe,
  folder: string,
  options: RunOptions,
): AsyncGenerator<TrainingEvent> {
  const { device, files, resume = false, signal } = options;
  const path = (name: string): string => joinPath(folder, name);
  await checkFolder(files, folder, resume);
  const model = await startingModel(files, recipe);
  const { config } = model;
  const { encode } = await loadTokenizer(files, folderOf(recipe), config);
  const texts = [];
  for (const name of recipe.data.text) texts.push(await readText(files, name));
  const corpus = splitCorpus(texts, recipe.data.heldOut, encode);
  const identity = await fingerprint(recipe, corpus);
  const start = resume
    ? await loadTraining(files, path(RESULTS.checkpoint), { fingerprint: identity, config })
    : model;
  const mechanism = mechanismOf(config);
  using trainer = createTrainer({ device, recipe, config, mechanism, corpus, encode, start });

  await files.makeFolder(folder);
  using log = await openLossLog(files, path(RESULTS.losses), trainer.step);
  const save = async (): Promise<void> => {
    await saveTraining(files, path(RESULTS.checkpoint), await trainer.state(), identity);
    await writeText(files, path(RESULTS.plot), lossPlot(log.rows, "Loss"));
  };
  for await (const event of trainingLoop(trainer, recipe, { save, signal })) {
    const row = lossRow(event);
    if (row) await log.append(row);
    yield event;
  }
  await saveCheckpoint(files, path(RESULTS.model), await trainer.model(), {
    dtype: recipe.storage,
  });
  await copyTokenizer(files, recipe, path(RESULTS.model));
}

async function checkFolder(files: Files, folder: string, resume: boolean): Promise<void> {
  const holdsRun = await isFile(files, joinPath(folder, RESULTS.checkpoint));
  if (resume && !holdsRun) {
    throw new RangeError(
      `Cannot go on training as "${folder}" must hold ${RESULTS.checkpoint}: it is not there`,
    );
  }
  if (!resume && holdsRun) {
    throw new RangeError(
      `Cannot train as "${folder}" holds a run: go on with it, or name another folder`,
    );
  }
}

/** The folder that the recipe's model comes from; empty if it begins from nothing. */
function folderOf({ model }: Recipe): string {
  return typeof model === "string" ? model : "";
}

async function startingModel(files: Files, recipe: Recipe): Promise<HostModel> {
  if (typeof recipe.model === "string") return await loadCheckpoint(files, recipe.model);
  const config = parseConfig(JSON.stringify(recipe.model));
  if (config.tokenizer !== "bytes") {
    throw new FieldError(
      "model.tokenizer",
      '"bytes", or model the folder of a model that has a tokenizer',
      config.tokenizer,
    );
  }
  return { config, weights: initialWeights(config, recipe.seed) };
}

async function copyTokenizer(files: Files, recipe: Recipe, folder: string): Promise<void> {
  if (typeof recipe.model !== "string") return;
  for (const name of TOKENIZER_FILES) {
    const from = joinPath(recipe.model, name);
    if (await isFile(files, from)) {
      await writeBytes(files, joinPath(folder, name), await readBytes(files, from));
    }
  }
}
