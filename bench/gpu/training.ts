/** Training steps: tokens a second, and where the GPU's time goes. */

import type { Device } from "../../src/device/device.ts";
import { type ModelConfig, parseConfig } from "../../src/model/config.ts";
import { parameterShapes } from "../../src/model/parameters.ts";
import { mechanismOf } from "../../src/model/mechanism_of.ts";
import { byteTokenizer } from "../../src/model/tokenizer/byte_tokenizer.ts";
import { splitCorpus } from "../../src/train/data/corpus.ts";
import { parseRecipe } from "../../src/train/recipe.ts";
import { createTrainer, type Trainer } from "../../src/train/trainer.ts";
import { type Bench, noise } from "./bench.ts";

/** Steps before the clock starts: kernels are compiled, and memory is found. */
const WARM_STEPS = 3;
/** And so long: the host's own code takes twice its time until the engine has compiled it. */
const WARM_MS = 4000;

interface TrainingShape {
  readonly name: string;
  readonly model: Record<string, unknown>;
  readonly batch: number;
  readonly length: number;
  readonly steps: number;
  /** Foreign blocks, as the embedded model was trained with. */
  readonly negatives?: Record<string, unknown>;
}

const COMMON = {
  model_type: "llama",
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 1024,
  tie_word_embeddings: true,
  tokenizer: "bytes",
  landmark: { block_size: 64, token_id: 256, top_blocks: 4 },
};

const TINY = {
  ...COMMON,
  hidden_size: 256,
  intermediate_size: 704,
  num_hidden_layers: 6,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 64,
  vocab_size: 260,
};

/** The shape of a Llama with 135 million parameters. */
const LLAMA = {
  ...COMMON,
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  head_dim: 64,
  vocab_size: 49152,
};

function shapes(small: boolean): TrainingShape[] {
  if (small) {
    const model = { ...TINY, num_hidden_layers: 1 };
    return [{ name: "embedded, one layer", model, batch: 2, length: 128, steps: 2 }];
  }
  const negatives = { count: 256, least: 32, probability: 0.5 };
  return [
    { name: "embedded", model: TINY, batch: 32, length: 512, steps: 30 },
    { name: "embedded, foreign blocks", model: TINY, batch: 32, length: 512, steps: 30, negatives },
    { name: "embedded", model: TINY, batch: 16, length: 1024, steps: 30 },
    { name: "135 M Llama", model: LLAMA, batch: 8, length: 512, steps: 10 },
  ];
}

/** Part "training". */
export async function benchTraining(bench: Bench): Promise<void> {
  for (const shape of shapes(bench.small)) {
    const name = `${shape.name} ${shape.batch}×${shape.length}`;
    if (!bench.wanted(name)) continue;
    const config = parseConfig(JSON.stringify(shape.model));
    const weights = quickWeights(config);
    const make = (device: Device): Trainer => trainerOf(device, shape, { config, weights, bench });
    const { ms, loss } = await stepTime(bench, shape, make);
    const rate = shape.batch * shape.length / ms * 1000;
    const { gpuMs, runs, kernels } = await profile(bench, make);
    const note = `loss ${loss.toFixed(4)}, ${gpuMs.toFixed(2)} ms of it in ${runs} runs of kernels`;
    bench.report({ part: "training", name, ms, rate, unit: "tokens/s", kernels, note });
  }
}

/** A step in a row of steps, of which none waits for the one before to be read back. */
async function stepTime(
  bench: Bench,
  { steps }: TrainingShape,
  make: (device: Device) => Trainer,
): Promise<{ ms: number; loss: number }> {
  using device = await bench.open(false);
  using trainer = make(device);
  const warm = performance.now() + (bench.small ? 0 : WARM_MS);
  for (let i = 0; i < WARM_STEPS || performance.now() < warm; i++) await trainer.advance();
  const start = performance.now();
  let last = trainer.advance();
  for (let i = 1; i < steps; i++) last = (await trainer.begin()).report;
  const { loss } = await last;
  return { ms: (performance.now() - start) / steps, loss };
}

async function profile(bench: Bench, make: (device: Device) => Trainer) {
  using device = await bench.open(true);
  using trainer = make(device);
  await trainer.advance();
  await device.profile();
  await trainer.advance();
  const times = [...await device.profile()].sort(([, a], [, b]) => b.ms - a.ms);
  const gpuMs = times.reduce((sum, [, { ms }]) => sum + ms, 0);
  const runs = times.reduce((sum, [, { count }]) => sum + count, 0);
  const kernels = Object.fromEntries(
    times.map(([name, { count, ms }]) => [name, { runs: count, ms }]),
  );
  return { gpuMs, runs, kernels };
}

/** About as large as the trainer's own, and made at once. */
function quickWeights(config: ModelConfig) {
  const some = noise(65_537).map((x) => x * 0.02 * Math.sqrt(3));
  const weights = new Map<string, { shape: readonly number[]; data: Float32Array }>();
  for (const [name, shape] of parameterShapes(config)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    if (shape.length === 1) data.fill(1);
    else {
      for (let at = 0; at < data.length; at += some.length) {
        data.set(some.subarray(0, Math.min(some.length, data.length - at)), at);
      }
    }
    weights.set(name, { shape, data });
  }
  return weights;
}

function trainerOf(
  device: Device,
  { model, batch, length, negatives }: TrainingShape,
  { config, weights, bench }: {
    config: ModelConfig;
    weights: ReturnType<typeof quickWeights>;
    bench: Bench;
  },
): Trainer {
  const { encode } = byteTokenizer();
  const text = Deno.readTextFileSync(bench.text);
  const recipe = parseRecipe(JSON.stringify({
    model,
    data: { text: [bench.text], heldOut: 0 },
    batch,
    length,
    negatives,
    steps: 1000,
    optimizer: { rate: 1e-3, warmUp: 100 },
  }));
  return createTrainer({
    device,
    recipe,
    config,
    mechanism: mechanismOf(config),
    corpus: splitCorpus([text], 0, encode),
    encode,
    start: { config, weights },
  });
}
