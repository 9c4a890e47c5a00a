import type { Mechanism } from "../attention/mechanism.ts";
import type { Device, Tensor } from "../device/device.ts";
import type { HostModel } from "../model/checkpoint/checkpoint.ts";
import type { HostTensor } from "../model/checkpoint/safetensors.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameters } from "../model/parameters.ts";
import { makeBatch, type TrainingBatch } from "./data/batch.ts";
import type { Encode, SplitCorpus } from "./data/corpus.ts";
import { sequenceLength } from "./data/rows.ts";
import { sequenceSource } from "./data/sequences.ts";
import { evaluate, type Evaluation, prepareExamination } from "./evaluation.ts";
import { createOptimizer, type Optimizer, rateAt } from "./optimizer.ts";
import { forwardAndBack, type Learner, type Pass } from "./pass.ts";
import type { Recipe } from "./recipe.ts";

/** What came of one step. */
export interface StepReport {
  /** Counts from 1. */
  readonly step: number;
  /** What training lowers: Σ weight · cross entropy / Σ weight, in nats. */
  readonly loss: number;
  /** Over the rows that are plain text; `undefined` if there were none. */
  readonly bitsPerByte: number | undefined;
  /** The loss over the answers alone; `undefined` if there were none. */
  readonly answerLoss: number | undefined;
  readonly rate: number;
  /** The gradient's norm before it was clipped. */
  readonly norm: number;
  /** Learnt from in this step, landmarks included. */
  readonly tokens: number;
}

/** Everything from which a run goes on to the same bits. */
export interface TrainingState {
  /** Steps done. */
  readonly step: number;
  /** Weights by name; their moments as `mean.` and `variance.` and the name. */
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** A model that learns. */
export interface Trainer extends Disposable {
  /** Steps done so far. */
  readonly step: number;
  /**
   * Begins to learn from the next batch (or batches, if the recipe accumulates). The next step may
   * begin before the report is there: a GPU computes several steps behind.
   */
  begin(): Promise<{ readonly report: Promise<StepReport> }>;
  /** A whole step, its report waited for. */
  advance(): Promise<StepReport>;
  /** Examines the model on the held-out text; `undefined` if none is held out. */
  examine(): Promise<Evaluation | undefined>;
  /** The model as it is now. */
  model(): Promise<HostModel>;
  /** The weights, and what else a later run needs to go on from here. */
  state(): Promise<TrainingState>;
}

/** What a trainer is made from. */
export interface TrainerOptions {
  device: Device;
  recipe: Recipe;
  config: ModelConfig;
  mechanism: Mechanism;
  corpus: SplitCorpus;
  encode: Encode;
  /** To begin with, or to go on from. */
  start: HostModel | TrainingState;
}

/** Makes a trainer. @throws {RangeError} If recipe, model and text do not fit each other. */
export function createTrainer(options: TrainerOptions): Trainer {
  const { device, recipe, config, mechanism, corpus: { train } } = options;
  checkLength(options);
  const data = prepareData(options);
  const tokensPerByte = train.tokens.length / train.bytes;
  using stack = new DisposableStack();
  const { optimizer, firstStep } = place(options, stack);
  const { weights } = optimizer;
  const learner: Learner = { device, model: { config, weights }, mechanism };
  let step = firstStep;
  const owned = stack.move();

  async function begin(): Promise<{ report: Promise<StepReport> }> {
    const passes: [TrainingBatch, Promise<Pass>][] = [];
    optimizer.clear();
    for (let i = 0; i < recipe.accumulate; i++) {
      const batch = data.batch(step, i);
      const { pass } = await forwardAndBack(learner, batch, optimizer.gradients);
      passes.push([batch, pass]);
    }
    step++;
    const rate = rateAt(step, recipe.steps, recipe.optimizer);
    optimizer.update({ step, rate, scale: 1 / recipe.accumulate });
    return { report: reportOf({ step, rate }, passes, optimizer.norm(), tokensPerByte) };
  }

  return {
    get step() {
      return step;
    },
    begin,
    advance: async () => await (await begin()).report,
    examine: async () =>
      data.examination && await evaluate(learner, data.examination, { batch: recipe.batch }),
    async model() {
      const read = [...await readAll(device, weights)].map(([name, { shape, data }]) =>
        [name, { shape, data: Float32Array.from(data) }] as const
      );
      return { config, weights: new Map(read) };
    },
    state: async () => ({ step, tensors: await readAll(device, stored(optimizer)) }),
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Puts weights and moments on the device, to begin with or as they were saved. */
function place(
  { device, recipe, config, start }: TrainerOptions,
  stack: DisposableStack,
): { optimizer: Optimizer; firstStep: number } {
  const optimizer = stack.use(createOptimizer(device, parameters(config), recipe.optimizer));
  const [from, tensors, firstStep] = "tensors" in start
    ? [start.tensors, stored(optimizer), start.step] as const
    : [start.weights, optimizer.weights, 0] as const;
  for (const [name, tensor] of tensors) device.write(tensor, from.get(name)!.data);
  return { optimizer, firstStep };
}

/** All that a run changes, under the names it is saved by. */
function stored({ weights, moments }: Optimizer): Map<string, Tensor> {
  const tensors = new Map(weights);
  for (const [name, { mean, variance }] of moments) {
    tensors.set(`mean.${name}`, mean).set(`variance.${name}`, variance);
  }
  return tensors;
}

async function readAll(
  device: Device,
  tensors: ReadonlyMap<string, Tensor>,
): Promise<Map<string, HostTensor>> {
  const read = new Map<string, HostTensor>();
  for (const [name, tensor] of tensors) {
    read.set(name, { shape: tensor.shape, data: await device.read(tensor) as Float32Array });
  }
  return read;
}

function checkLength({ recipe: { length }, config, mechanism: { marker } }: TrainerOptions): void {
  if (marker !== undefined && length % marker.every !== 0) {
    throw new RangeError(
      `Cannot train as length must be a multiple of the block size, ${marker.every}: ` +
        `current value is ${length}`,
    );
  }
  if (length > config.contextLength) {
    throw new RangeError(
      `Cannot train as length must be at most the model's max_position_embeddings, ` +
        `${config.contextLength}: current value is ${length}`,
    );
  }
}

/** The batches and the examination of a run. */
function prepareData({ recipe, mechanism, corpus, encode }: TrainerOptions) {
  const { mixture, batch, length, seed, accumulate, negatives, evaluation } = recipe;
  const { cutStatements } = recipe;
  const { marker } = mechanism;
  const tokens = sequenceLength(length, marker);
  const source = sequenceSource(corpus, encode, { length: tokens, mixture });
  const asks = mixture.pairsInText + mixture.densePairs > 0;
  const examination = corpus.heldOut.tokens.length === 0
    ? undefined
    : prepareExamination({ ...source, corpus: corpus.heldOut }, {
      length,
      marker,
      textRows: evaluation.textRows,
      answerRows: asks ? evaluation.answerRows : 0,
      seed,
    });
  return {
    examination,
    /** The i-th batch of the step after `step` steps. */
    batch: (step: number, i: number): TrainingBatch => ({
      backWindows: recipe.backWindows,
      ...makeBatch(step * accumulate + i, {
        source,
        mixture,
        marker,
        batch,
        length,
        negatives: negatives && step + 1 >= negatives.fromStep ? negatives : undefined,
        cutStatements,
        seed,
      }),
    }),
  };
}

/** The report of a step, when all of it is there. */
async function reportOf(
  about: Pick<StepReport, "step" | "rate">,
  passes: readonly [TrainingBatch, Promise<Pass>][],
  norm: Promise<number>,
  tokensPerByte: number,
): Promise<StepReport> {
  const done = passes.map(async ([batch, pass]) => [batch, await pass] as [TrainingBatch, Pass]);
  const [all, length] = await Promise.all([Promise.all(done), norm]);
  return { ...about, ...summarize(all, tokensPerByte), norm: length };
}

function summarize(
  passes: readonly [TrainingBatch, Pass][],
  tokensPerByte: number,
): Pick<StepReport, "loss" | "bitsPerByte" | "answerLoss" | "tokens"> {
  let loss = 0;
  let tokens = 0;
  const text = { nats: 0, weight: 0 };
  const answers = { nats: 0, weight: 0 };
  for (const [{ ids, weights, kinds, length }, pass] of passes) {
    loss += pass.loss / passes.length;
    tokens += ids.length;
    for (const [t, weight] of weights.entries()) {
      const kind = kinds[Math.floor(t / length)];
      // Only answers weigh more than text does.
      const part = weight > 1 ? answers : kind === "text" ? text : undefined;
      if (part === undefined) continue;
      part.nats += pass.losses[t];
      part.weight += weight;
    }
  }
  const mean = ({ nats, weight }: typeof text) => weight > 0 ? nats / weight : undefined;
  const textLoss = mean(text);
  return {
    loss,
    tokens,
    bitsPerByte: textLoss && textLoss / Math.LN2 * tokensPerByte,
    answerLoss: mean(answers),
  };
}
