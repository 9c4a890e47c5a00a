import { START } from "../../src/attention/infini/plan.ts";
import type { Mechanism, State } from "../../src/attention/mechanism.ts";
import { type Bookkeeping, openBookkeeping } from "../../src/device/bookkeeping.ts";
import { type Device, sizeOf, type Tensor } from "../../src/device/device.ts";
import { eagerOps } from "../../src/device/ops.ts";
import type { Files } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import type { MemoryOptions } from "../../src/memory/options.ts";
import { createTurns } from "../../src/memory/turns.ts";
import { type ModelConfig, parseConfig } from "../../src/model/config.ts";
import { parameterShapes } from "../../src/model/parameters.ts";
import { mechanismOf } from "../../src/model/mechanism_of.ts";
import { hiddenStates, logitsOf, type Model } from "../../src/model/transformer.ts";
import { createReader, type Reader } from "../../src/session/reader.ts";
import { randomFrom } from "../random.ts";

/** Three layers, grouped heads, blocks of four: small enough to read a thousand times. */
export const SMALL = {
  model_type: "llama",
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 8,
  vocab_size: 260,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  max_position_embeddings: 64,
  tie_word_embeddings: true,
  tokenizer: "bytes",
  landmark: { block_size: 4, token_id: 256, top_blocks: 2, chunk: 8 },
};

/** The same, read. */
export const CONFIG: ModelConfig = parseConfig(JSON.stringify(SMALL));

/** A model on a device, and readers of it. */
export interface SmallModel extends Disposable {
  readonly device: Device;
  readonly model: Model;
  readonly mechanism: Mechanism;
  readonly bookkeeping: Bookkeeping;
  readonly files: Files;
  state(options?: MemoryOptions): State;
  reader(options?: MemoryOptions): Reader;
  /** A reader of a state that was made some other way. */
  readerOf(state: State): Reader;
  /** Logits of a text by dense landmark attention, one row for each id. */
  dense(ids: Int32Array): Promise<Float32Array>;
}

/** A model of random weights, large enough that every choice of blocks shows in the logits. */
export async function smallModel(
  device: Device,
  seed: number,
  config: ModelConfig = CONFIG,
): Promise<SmallModel> {
  const weights = randomWeights(device, config, seed);
  const model: Model = { config, weights };
  const mechanism = mechanismOf(config);
  const bookkeeping = await openBookkeeping();
  const files = memoryFiles();
  const state = (options: MemoryOptions = {}): State =>
    mechanism.state(device, { storage: "f32", ...options, bookkeeping, files });
  const readerOf = (state: State): Reader =>
    createReader({ device, model, marker: mechanism.marker, passes: createTurns() }, state);
  return {
    ...{ device, model, mechanism, bookkeeping, files, state, readerOf },
    reader: (options) => readerOf(state(options)),
    dense: (ids) => denseLogits(device, model, mechanism, ids),
    [Symbol.dispose]() {
      for (const weight of weights.values()) weight[Symbol.dispose]();
    },
  };
}

function randomWeights(device: Device, config: ModelConfig, seed: number): Map<string, Tensor> {
  const random = randomFrom(seed);
  const weights = new Map<string, Tensor>();
  for (const [name, shape] of parameterShapes(config)) {
    const isNorm = shape.length === 1;
    const numbers = random.normal(sizeOf(shape), isNorm ? 0.2 : 1.2 / Math.sqrt(shape.at(-1)!));
    const isStart = name.endsWith(START); // what a divisor is made of must not be below 0
    const data = isNorm
      ? numbers.map((x) => Math.fround(1 + x))
      : isStart
      ? numbers.map(Math.abs)
      : numbers;
    weights.set(name, device.tensor(shape, { data }));
  }
  return weights;
}

async function denseLogits(
  device: Device,
  model: Model,
  mechanism: Mechanism,
  ids: Int32Array,
): Promise<Float32Array> {
  const { every, token } = mechanism.marker!;
  const tokens: number[] = [];
  const places: number[] = [];
  for (const id of ids) {
    places.push(tokens.push(id) - 1);
    if (tokens.length % every === every - 1) tokens.push(token);
  }
  using attention = mechanism.batch(device, { rows: 1, length: tokens.length });
  using ops = eagerOps(device);
  const input = (data: number[]): Tensor => ops.input([data.length], { dtype: "i32", data });
  const hidden = await hiddenStates(ops, model, input(tokens), attention.windows[0].begin().attend);
  const logits = logitsOf(ops, model, ops.gather(hidden, input(places)));
  return Float32Array.from(await device.read(logits));
}

/** A text of random letters. */
export function randomText(seed: number, length: number): Int32Array {
  return randomFrom(seed).integers(length, 97, 122);
}

/** All logits of a text read in calls that end at these places. */
export async function readInCuts(
  reader: Reader,
  ids: Int32Array,
  cuts: readonly number[] = [],
  purpose: "reading" | "asking" = "reading",
): Promise<Float32Array> {
  const parts: number[] = [];
  let from = 0;
  for (const to of [...cuts, ids.length]) {
    const logits = await reader.feed(ids.subarray(from, to), { from: 0, purpose });
    for (const x of logits) parts.push(x);
    from = to;
  }
  return Float32Array.from(parts);
}
