import { ok } from "node:assert/strict";
import type { Device, Tensor } from "../../src/device/device.ts";
import { denoFiles } from "../../src/io/deno_files.ts";
import { type HostTensor, readSafetensors } from "../../src/model/checkpoint/safetensors.ts";
import { parseConfig } from "../../src/model/config.ts";
import { mechanismOf } from "../../src/model/mechanism_of.ts";
import { parameters } from "../../src/model/parameters.ts";
import type { TrainingBatch } from "../../src/train/data/batch.ts";
import { indexTable } from "../../src/train/data/negatives.ts";
import { createOptimizer } from "../../src/train/optimizer.ts";
import { forwardAndBack } from "../../src/train/pass.ts";
import { testOnEach } from "../devices.ts";

/** One training step that an independent implementation made: f32, so 1e-3 of the largest value. */
const TOLERANCE = 1e-3;
const LOSS = 1.0593560934;
const NORM = 1.7029621680;

const MODEL = new URL("../golden_tiny/model/", import.meta.url);
const GOLDEN = new URL("../golden_tiny/train_step.safetensors", import.meta.url);

testOnEach("forwardAndBack() and update() make the golden step", check);

async function check(device: Device): Promise<void> {
  const { tensors: golden, metadata } = await load(GOLDEN);
  const config = parseConfig(await Deno.readTextFile(new URL("config.json", MODEL)));
  const mechanism = mechanismOf(config);
  using optimizer = createOptimizer(device, parameters(config), {
    beta1: 0.9,
    beta2: 0.95,
    epsilon: 1e-8,
    decay: 0.1,
    clip: 1,
    rate: 1,
    gateRate: 1,
  });
  const { weights } = optimizer;
  for (const [name, { data }] of (await load(new URL("model.safetensors", MODEL))).tensors) {
    device.write(weights.get(name)!, data);
  }

  const learner = { device, model: { config, weights }, mechanism };
  const { pass } = await forwardAndBack(learner, batchOf(golden), optimizer.gradients);
  const { loss } = await pass;
  assertNear("loss", [loss], [LOSS], 1e-4);
  const gradient = (name: string): Tensor => optimizer.gradients.get(weights.get(name)!)!;
  // The file holds gradients that were clipped to a norm of 1; their norms, in its metadata, were not.
  await compare("grad.", gradient, NORM);
  for (const [name, norm] of Object.entries<number>(JSON.parse(metadata.grad_norms))) {
    assertNear(`norm of ${name}`, [normOf(await device.read(gradient(name)))], [norm], TOLERANCE);
  }

  optimizer.update({ step: 1, rate: 1e-3, scale: 1 });
  assertNear("norm", [await optimizer.norm()], [NORM], TOLERANCE);
  await compare("after.", (name) => weights.get(name)!, 1);

  async function compare(
    prefix: string,
    tensor: (name: string) => Tensor,
    factor: number,
  ): Promise<void> {
    const names = [...golden.keys()].filter((name) => name.startsWith(prefix));
    ok(names.length >= 3, `${names.length} golden tensors ${prefix}*`);
    for (const name of names) {
      const actual = await device.read(tensor(name.slice(prefix.length)));
      const expected = Float64Array.from(golden.get(name)!.data, (x) => factor * x);
      assertNear(name, actual, expected, TOLERANCE);
    }
  }
}

function normOf(x: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += x[i] * x[i];
  return Math.sqrt(squares);
}

async function load(url: URL): ReturnType<typeof readSafetensors> {
  using file = await denoFiles().open(decodeURIComponent(url.pathname));
  return await readSafetensors(file);
}

function batchOf(golden: ReadonlyMap<string, HostTensor>): TrainingBatch {
  const i32 = (name: string): Int32Array => golden.get(name)!.data as Int32Array;
  const [rows, length] = golden.get("ids")!.shape;
  const blocks = i32("negatives");
  const perRow = [...i32("negatives_per_row")];
  return {
    rows,
    length,
    ids: i32("ids"),
    targets: i32("targets"),
    weights: golden.get("weights")!.data as Float32Array,
    kinds: ["text", "text"],
    nameless: new Uint8Array(rows * 3),
    negatives: { blocks, index: indexTable(blocks, perRow, 3) },
  };
}

/** Within `tolerance` of the largest expected value. */
function assertNear(
  what: string,
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  let largest = 0;
  let error = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    error = Math.max(error, Math.abs(actual[i] - expected[i]));
  }
  ok(error <= tolerance * largest, `${what}: error ${error}, largest value ${largest}`);
}
