/**
 * What the gates and the two update rules of Infini-attention come to, on a task that nothing but the
 * memory can solve:
 *
 *   deno task bench:recall [STEPS] [SEEDS]
 *
 * A row is four segments of 16 tokens. The first tells eight keys with a value each, a pair a token;
 * the second tells four of them again with another value; the third is noise; the fourth asks for
 * all, and what counts is the last value that was told. Attention reaches no further than a segment.
 * Printed are how often answers are right, for keys told once and told anew (one of eight is chance),
 * and the gates σ(β) of every head at the end.
 */

import { GATE } from "../src/attention/infini_plan.ts";
import type { Tensor } from "../src/device/device.ts";
import { openDevice } from "../src/device/open.ts";
import { parseConfig } from "../src/model/config.ts";
import { mechanismOf } from "../src/model/mechanism_of.ts";
import { parameters } from "../src/model/parameters.ts";
import type { TrainingBatch } from "../src/train/data/batch.ts";
import { random } from "../src/train/data/random.ts";
import { initialWeights } from "../src/train/initial_weights.ts";
import { createOptimizer, rateAt } from "../src/train/optimizer.ts";
import { forward, forwardAndBack } from "../src/train/pass.ts";

const SEGMENT = 16;
const LENGTH = 4 * SEGMENT;
const ROWS = 32;
const KEYS = 8;
const VALUES = 8;
/** Ids: pairs of a key and a value, then keys, then values, then noise. */
const pairId = (key: number, value: number): number => key * VALUES + value;
const keyId = (key: number): number => KEYS * VALUES + key;
const valueId = (value: number): number => KEYS * VALUES + KEYS + value;
const NOISE = KEYS * VALUES + KEYS + VALUES;
const steps = Number(Deno.args[0] ?? 2000);
const seeds = (Deno.args[1] ?? "1,2").split(",").map(Number);
const OPTIMIZER = {
  ...{ rate: 2e-3, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, decay: 0.1, gateRate: 0.01, clip: 1 },
  ...{ warmUp: 100, schedule: "cosine" as const, decayShare: 0.25, floor: 0.05 },
};

interface Task extends TrainingBatch {
  /** By token: 1 where a key is asked for that was told once, 2 where it was told anew. */
  readonly asked: Uint8Array;
}

function makeTask(seed: number, number: number): Task {
  const ids = new Int32Array(ROWS * LENGTH);
  const targets = new Int32Array(ids.length).fill(-1);
  const weights = new Float32Array(ids.length);
  const asked = new Uint8Array(ids.length);
  for (let row = 0; row < ROWS; row++) {
    const source = random(seed, number, row);
    const at = (segment: number): number => row * LENGTH + segment * SEGMENT;
    ids.fill(NOISE, at(0), at(4));
    const keys = (): number[] => source.shuffle(Array.from({ length: KEYS }, (_, key) => key));
    const values = keys().map(() => source.below(VALUES));
    keys().forEach((key, n) => ids[at(0) + 2 * n] = pairId(key, values[key]));
    const anew = keys().slice(0, KEYS / 2);
    anew.forEach((key, n) => {
      values[key] = (values[key] + 1 + source.below(VALUES - 1)) % VALUES;
      ids[at(1) + 2 * n] = pairId(key, values[key]);
    });
    keys().forEach((key, n) => {
      const t = at(3) + 2 * n;
      ids[t] = keyId(key);
      targets[t] = valueId(values[key]);
      weights[t] = 1;
      asked[t] = anew.includes(key) ? 2 : 1;
    });
  }
  return {
    ...{ rows: ROWS, length: LENGTH, ids, targets, weights, asked, negatives: undefined },
    kinds: Array.from({ length: ROWS }, () => "text" as const),
    nameless: new Uint8Array(0),
  };
}

async function run(update: "linear" | "delta", seed: number): Promise<void> {
  const config = parseConfig(JSON.stringify({
    ...{ model_type: "llama", hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2 },
    ...{ num_attention_heads: 2, head_dim: 32, vocab_size: NOISE + 1 },
    ...{ max_position_embeddings: LENGTH, tie_word_embeddings: true, rms_norm_eps: 1e-5 },
    infini: { segment: SEGMENT, update },
  }));
  using device = await openDevice({ device: "cpu", threads: 1 });
  using stack = new DisposableStack();
  const weights = new Map<string, Tensor>();
  for (const [name, { shape, data }] of initialWeights(config, seed)) {
    weights.set(name, stack.use(device.tensor(shape, { data })));
  }
  const learner = { device, model: { config, weights }, mechanism: mechanismOf(config) };
  using optimizer = createOptimizer(device, weights, parameters(config), OPTIMIZER);
  for (let step = 1; step <= steps; step++) {
    optimizer.clear();
    const { pass } = await forwardAndBack(learner, makeTask(seed, step), optimizer.gradients);
    optimizer.update({ step, rate: rateAt(step, steps, OPTIMIZER), scale: 1 });
    const { loss } = await pass;
    if (step % 250 === 0) {
      console.log(`${update}, seed ${seed}, step ${step}: loss ${loss.toFixed(4)}`);
    }
  }
  const right = [0, 0, 0];
  const all = [0, 0, 0];
  for (let i = 0; i < 16; i++) {
    const task = makeTask(seed, -1 - i);
    const { logits } = await forward(learner, task);
    for (const [t, kind] of task.asked.entries()) {
      if (kind === 0) continue;
      const row = logits.subarray(t * config.vocab, (t + 1) * config.vocab);
      const best = row.indexOf(Math.max(...row));
      all[kind]++;
      if (best === task.targets[t]) right[kind]++;
    }
  }
  const percent = (kind: number): string => `${(100 * right[kind] / all[kind]).toFixed(1)} %`;
  console.log(`${update}, seed ${seed}: told once ${percent(1)}, told anew ${percent(2)} right`);
  for (const [name, weight] of weights) {
    if (!name.endsWith(GATE)) continue;
    const gates = Array.from(await device.read(weight), (beta) => 1 / (1 + Math.exp(-beta)));
    console.log(`  ${name}: ${gates.map((gate) => gate.toFixed(3)).join(" ")}`);
  }
}

for (const seed of seeds) {
  for (const update of ["linear", "delta"] as const) await run(update, seed);
}
