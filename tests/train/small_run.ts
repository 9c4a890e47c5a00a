import type { Device } from "../../src/device/device.ts";
import { parseConfig } from "../../src/model/config.ts";
import { mechanismOf } from "../../src/model/mechanism_of.ts";
import { byteTokenizer } from "../../src/model/tokenizer/byte_tokenizer.ts";
import { splitCorpus } from "../../src/train/data/corpus.ts";
import { initialWeights } from "../../src/train/initial_weights.ts";
import { parseRecipe, type Recipe } from "../../src/train/recipe.ts";
import { createTrainer, type Trainer } from "../../src/train/trainer.ts";

/** The smallest model with everything in it: two layers, grouped heads, landmarks. */
export const SMALL_CONFIG = {
  model_type: "llama",
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 8,
  vocab_size: 260,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 128,
  tie_word_embeddings: true,
  tokenizer: "bytes",
  landmark: { block_size: 8, token_id: 256, top_blocks: 2 },
};

/** A page to learn from. */
export const PAGE: string = Deno.readTextFileSync(
  new URL("../../books/opticks.txt", import.meta.url),
).slice(400, 2000);

/** A recipe of a few steps, with all that a recipe can ask for. */
export function smallRecipe(change: Record<string, unknown> = {}): Recipe {
  return parseRecipe(JSON.stringify({
    model: SMALL_CONFIG,
    data: { text: ["page.txt"], heldOut: 0.2 },
    mixture: { text: 1, densePairs: 1, copy: 1 },
    length: 64,
    batch: 2,
    accumulate: 2,
    steps: 6,
    optimizer: { warmUp: 2, clip: 0.1 },
    negatives: { count: 6, least: 2, probability: 0.75 },
    evaluation: { every: 3, textRows: 2, answerRows: 2 },
    checkpointEvery: 2,
    ...change,
  }));
}

/** A trainer of a small model. */
export function smallTrainer(device: Device, recipe: Recipe): Trainer {
  const config = parseConfig(JSON.stringify(recipe.model));
  const { encode } = byteTokenizer();
  return createTrainer({
    device,
    recipe,
    config,
    mechanism: mechanismOf(config),
    corpus: splitCorpus([PAGE], recipe.data.heldOut, encode),
    encode,
    start: { config, weights: initialWeights(config, recipe.seed) },
  });
}
