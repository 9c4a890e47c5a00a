/** Gradients of mechanisms that cut rows into windows, or begin from what was learnt. */

import { ok } from "node:assert/strict";
import type { Batch, Mechanism } from "../../src/attention/mechanism.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { mechanismOf } from "../../src/model/mechanism_of.ts";
import type { TrainingBatch } from "../../src/train/data/batch.ts";
import { forwardAndBack } from "../../src/train/pass.ts";
import { assertClose } from "../close.ts";
import { reference } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { checkSlopes, slopeModel } from "../train/slopes.ts";
import { MODELS, smallConfig } from "./models.ts";

/** Two rows of text, landmarks put in where the model has them. */
function randomBatch({ marker }: Mechanism, length: number, weights?: Float32Array): TrainingBatch {
  const random = randomFrom(5);
  const rows = 2;
  const isMarker = (t: number): boolean =>
    marker !== undefined && t % length % marker.every === marker.every - 1;
  const ids = random.integers(rows * length, 0, 15);
  const targets = random.integers(rows * length, 0, 15);
  return {
    rows,
    length,
    ids: ids.map((id, t) => isMarker(t) ? marker!.token : id),
    targets: targets.map((id, t) => isMarker(t) ? -1 : id),
    weights: weights ?? Float32Array.from(ids, (_, t) => isMarker(t) ? 0 : t % 3),
    kinds: ["text", "text"],
    nameless: new Uint8Array(0),
    negatives: undefined,
  };
}

// Through the cache of Transformer-XL no gradient flows: it has tests of its own, below.
for (const [name, config] of MODELS.filter(([name]) => !name.startsWith("xl"))) {
  Deno.test(`forwardAndBack() gives the slopes of the loss with ${name}`, async () => {
    using model = slopeModel(config);
    await checkSlopes(model, randomBatch(model.learner.mechanism, 28));
  });
}

for (const [name, config] of MODELS.filter(([name]) => name.startsWith("xl"))) {
  Deno.test(`forwardAndBack() gives the slopes of the loss with ${name}, in a window`, async () => {
    using model = slopeModel(config);
    await checkSlopes(model, randomBatch(model.learner.mechanism, 8));
  });
}

Deno.test("forwardAndBack() gives the slopes of the loss behind a cache, in what does not make it", async () => {
  // In one layer the cache depends on the embedding and the first norm alone.
  using model = slopeModel(smallConfig({ num_hidden_layers: 1, xl: { window: 8, cache: 11 } }));
  await checkSlopes(
    model,
    randomBatch(model.learner.mechanism, 28),
    (name) => !/embed_tokens|input_layernorm/.test(name),
  );
});

/** All gradients of a model in one list, for a batch that a mechanism may be told more about. */
async function gradientsOf(
  config: ModelConfig,
  length: number,
  more: Partial<Batch>,
): Promise<number[]> {
  const mechanism = mechanismOf(config);
  using model = slopeModel(config, {
    ...mechanism,
    batch: (device, batch) => mechanism.batch(device, { ...batch, ...more }),
  });
  const gradients = model.gradients();
  await (await forwardAndBack(model.learner, randomBatch(mechanism, length), gradients)).pass;
  const all: number[] = [];
  for (const gradient of gradients.values()) all.push(...await reference.read(gradient));
  return all;
}

for (const update of ["linear", "delta"]) {
  Deno.test(`forwardAndBack() by windows is forwardAndBack() of whole rows (${update})`, async () => {
    const config = smallConfig({ infini: { segment: 8, update, learned_start: true } });
    for (const length of [32, 29]) {
      const whole = await gradientsOf(config, length, { whole: true });
      const windows = await gradientsOf(config, length, {});
      assertClose(windows, whole, { atol: 1e-12, rtol: 1e-9 }, `length ${length}`);
      const enough = await gradientsOf(config, length, { backWindows: 4 });
      assertClose(enough, windows, { atol: 0, rtol: 0 }, `length ${length}`);
      const cut = await gradientsOf(config, length, { backWindows: 1 });
      ok(cut.some((x, i) => Math.abs(x - whole[i]) > 1e-6), "gradients must end at a cut");
    }
  });
}
