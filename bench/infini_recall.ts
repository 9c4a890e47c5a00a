/**
 * What the gates and the two update rules of Infini-attention come to, on a task that needs both the
 * memory and the attention beside it:
 *
 *   deno task bench:recall [STEPS] [SEEDS]
 *
 * A row is four segments of 10 tokens. The first tells six keys with a value each, a pair a token;
 * the second tells three of them again with another value; the third is noise; the fourth tells two
 * more, and asks for all eight. What counts is the last value that was told. Attention reaches no
 * further than a segment, and one layer's memory does not know what was told first: a sum of both
 * values is all that the linear rule can have, and half of the keys told anew all that it can get
 * right. Printed are how often answers are right (one of eight is chance), and the gates σ(β) of
 * every head at the end. Last, the same with gates at a rate of 3e-4, that of all other weights where
 * a replication saw them stay in the middle (docs/mechanisms.md).
 */

import { GATE } from "../src/attention/infini/plan.ts";
import type { InfiniUpdate } from "../src/device/infini.ts";
import { openDevice } from "../src/device/open.ts";
import { type ModelConfig, parseConfig } from "../src/model/config.ts";
import { mechanismOf } from "../src/model/mechanism_of.ts";
import { parameters } from "../src/model/parameters.ts";
import type { TrainingBatch } from "../src/train/data/batch.ts";
import { random } from "../src/train/data/random.ts";
import { initialWeights } from "../src/train/initial_weights.ts";
import { createOptimizer, rateAt } from "../src/train/optimizer.ts";
import { forward, forwardAndBack, type Learner } from "../src/train/pass.ts";

const SEGMENT = 10;
const LENGTH = 4 * SEGMENT;
const ROWS = 32;
const KEYS = 8;
const VALUES = 8;
/** Of the keys: told in the first segment, and of those in the second; the rest is told in the last. */
const FAR = 6;
const ANEW = 3;
const HEADS = 4;
const HEAD_DIM = 8;
const WIDTH = HEADS * HEAD_DIM;
/** Ids: pairs of a key and a value, then keys, then values, then noise. */
const pairId = (key: number, value: number): number => key * VALUES + value;
const keyId = (key: number): number => KEYS * VALUES + key;
const valueId = (value: number): number => KEYS * VALUES + KEYS + value;
const NOISE = KEYS * VALUES + KEYS + VALUES;
const KINDS = ["told once", "told anew", "told near"] as const;
const steps = Number(Deno.args[0] ?? 800);
const seeds = (Deno.args[1] ?? "1,2,3").split(",").map(Number);
const OPTIMIZER = {
  ...{ rate: 5e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0, gateRate: 0.01, clip: 1 },
  ...{ warmUp: 100, schedule: "cosine" as const, decayShare: 0.25, floor: 0.05 },
};

interface Task extends TrainingBatch {
  /** By token: which of `KINDS` is asked for, counted from 1; 0 where nothing is. */
  readonly asked: Uint8Array;
}

function makeTask(seed: number, number: number): Task {
  const ids = new Int32Array(ROWS * LENGTH).fill(NOISE);
  const targets = new Int32Array(ids.length).fill(-1);
  const weights = new Float32Array(ids.length);
  const asked = new Uint8Array(ids.length);
  for (let row = 0; row < ROWS; row++) {
    const source = random(seed, number, row);
    const at = (segment: number): number => row * LENGTH + segment * SEGMENT;
    const keys = source.shuffle(Array.from({ length: KEYS }, (_, key) => key));
    const [far, anew, near] = [keys.slice(0, FAR), keys.slice(0, ANEW), keys.slice(FAR)];
    const values = keys.map(() => source.below(VALUES));
    const tell = (segment: number, told: readonly number[]): void =>
      source.shuffle([...told]).forEach((key, n) =>
        ids[at(segment) + n] = pairId(key, values[key])
      );
    tell(0, far);
    for (const key of anew) values[key] = (values[key] + 1 + source.below(VALUES - 1)) % VALUES;
    tell(1, anew);
    tell(3, near);
    source.shuffle([...keys]).forEach((key, n) => {
      const t = at(3) + near.length + n;
      ids[t] = keyId(key);
      targets[t] = valueId(values[key]);
      weights[t] = 1;
      asked[t] = near.includes(key) ? 3 : anew.includes(key) ? 2 : 1;
    });
  }
  return {
    ...{ rows: ROWS, length: LENGTH, ids, targets, weights, asked, negatives: undefined },
    kinds: Array.from({ length: ROWS }, () => "text" as const),
    nameless: new Uint8Array(0),
  };
}

function configOf(update: InfiniUpdate): ModelConfig {
  return parseConfig(JSON.stringify({
    ...{ model_type: "llama", hidden_size: WIDTH, intermediate_size: 2 * WIDTH },
    ...{ num_hidden_layers: 1, num_attention_heads: HEADS, head_dim: HEAD_DIM },
    ...{ vocab_size: NOISE + 1, max_position_embeddings: LENGTH },
    ...{ tie_word_embeddings: true, rms_norm_eps: 1e-5 },
    infini: { segment: SEGMENT, update },
  }));
}

/**
 * Matrices begin at a deviation of 1/√C. At the trainer's 0.02, made for wide models, φ of every key
 * of this one is all but 1: the memory answers every query with the same mean, and for thousands of
 * steps nothing says what keys should be.
 */
function startOf(config: ModelConfig, seed: number) {
  const scale = 1 / (0.02 * Math.sqrt(WIDTH));
  return [...initialWeights(config, seed)].map(([name, { shape, data }]) => ({
    name,
    data: shape.length === 2 ? data.map((x) => x * scale) : data,
  }));
}

async function run(update: InfiniUpdate, seed: number, gateRate: number): Promise<void> {
  const config = configOf(update);
  const recipe = { ...OPTIMIZER, gateRate };
  using device = await openDevice({ device: "cpu", threads: 1 });
  using optimizer = createOptimizer(device, parameters(config), recipe);
  const { weights } = optimizer;
  for (const { name, data } of startOf(config, seed)) device.write(weights.get(name)!, data);
  const learner = { device, model: { config, weights }, mechanism: mechanismOf(config) };
  for (let step = 1; step <= steps; step++) {
    optimizer.clear();
    const { pass } = await forwardAndBack(learner, makeTask(seed, step), optimizer.gradients);
    optimizer.update({ step, rate: rateAt(step, steps, recipe), scale: 1 });
    await pass;
  }
  const right = await rightOf(learner, seed);
  const shares = KINDS.map((kind, i) => `${kind} ${(100 * right[i]).toFixed(1)} %`);
  console.log(`${update}, seed ${seed}, gates at ${gateRate}: ${shares.join(", ")} right`);
  for (const [name, weight] of weights) {
    if (!name.endsWith(GATE)) continue;
    const gates = Array.from(await device.read(weight), (beta) => 1 / (1 + Math.exp(-beta)));
    console.log(`  gates: ${gates.map((gate) => gate.toFixed(3)).join(" ")}`);
  }
}

/** How many answers are right, of each of `KINDS`, in rows that training did not see. */
async function rightOf(learner: Learner, seed: number): Promise<number[]> {
  const right = KINDS.map(() => 0);
  const all = KINDS.map(() => 0);
  const { vocab } = learner.model.config;
  for (let i = 0; i < 16; i++) {
    const task = makeTask(seed, -1 - i);
    const { logits } = await forward(learner, task);
    for (const [t, kind] of task.asked.entries()) {
      if (kind === 0) continue;
      const row = logits.subarray(t * vocab, (t + 1) * vocab);
      all[kind - 1]++;
      if (row.indexOf(Math.max(...row)) === task.targets[t]) right[kind - 1]++;
    }
  }
  return right.map((n, kind) => n / all[kind]);
}

for (const seed of seeds) {
  for (const update of ["linear", "delta"] as const) await run(update, seed, OPTIMIZER.gateRate);
}
await run("delta", seeds[0], 3e-4);
