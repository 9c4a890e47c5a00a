import type { Tensor } from "../../src/device/device.ts";
import { parseConfig } from "../../src/model/config.ts";
import { mechanismOf } from "../../src/model/mechanism_of.ts";
import type { TrainingBatch } from "../../src/train/data/batch.ts";
import { indexTable } from "../../src/train/data/negatives.ts";
import { initialWeights } from "../../src/train/initial_weights.ts";
import { forwardAndBack } from "../../src/train/pass.ts";
import { assertClose } from "../close.ts";
import { reference } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { SMALL_CONFIG } from "./small_run.ts";

const STEP = 1e-5;
const CHECKED = 6;

for (const tied of [true, false]) {
  for (const negatives of [true, false]) {
    const what = `a ${tied ? "tied" : "untied"} model ${negatives ? "with" : "without"} negatives`;
    Deno.test(`forwardAndBack() gives the slopes of the loss for ${what}`, async () => {
      await check({ ...SMALL_CONFIG, tie_word_embeddings: tied }, negatives);
    });
  }
}

/** Compares some elements of every parameter's gradient with central differences. */
async function check(json: Record<string, unknown>, negatives: boolean): Promise<void> {
  using stack = new DisposableStack();
  const config = parseConfig(JSON.stringify(json));
  const random = randomFrom(11);
  const weights = new Map<string, Tensor>();
  const gradients = new Map<Tensor, Tensor>();
  for (const [name, { shape, data }] of initialWeights(config, 3)) {
    // Twenty times the usual size, so that attention is far from even.
    const wide = shape.length > 1 ? data.map((x) => 20 * x) : data;
    weights.set(name, stack.use(reference.tensor(shape, { data: wide })));
    gradients.set(weights.get(name)!, stack.use(reference.tensor(shape)));
  }
  const mechanism = mechanismOf(config);
  const learner = { device: reference, model: { config, weights }, mechanism };
  const batch = randomBatch(negatives);
  await (await forwardAndBack(learner, batch, gradients)).pass;

  const loss = async (): Promise<number> =>
    (await (await forwardAndBack(learner, batch, unused)).pass).loss;
  const unused = new Map(
    [...gradients.keys()].map((weight) =>
      [weight, stack.use(reference.tensor(weight.shape))] as const
    ),
  );
  for (const [name, weight] of weights) {
    const values = await reference.read(weight);
    const gradient = await reference.read(gradients.get(weight)!);
    const actual: number[] = [];
    const expected: number[] = [];
    for (let n = 0; n < CHECKED; n++) {
      // Rows of the embedding that no token uses have no gradient: these ids are below 16.
      const i = random.integer(0, Math.min(values.length, 16 * config.width) - 1);
      const at = async (x: number): Promise<number> => {
        reference.write(weight, [x], i);
        return await loss();
      };
      expected.push((await at(values[i] + STEP) - await at(values[i] - STEP)) / (2 * STEP));
      actual.push(gradient[i]);
      reference.write(weight, [values[i]], i);
    }
    assertClose(actual, expected, { atol: 1e-8, rtol: 1e-6 }, name);
  }
}

/** Two rows of four blocks of 8. */
function randomBatch(negatives: boolean): TrainingBatch {
  const random = randomFrom(5);
  const [rows, length] = [2, 32];
  const isLandmark = (t: number): boolean => t % 8 === 7;
  const blocks = Int32Array.of(6, 1, 3);
  return {
    rows,
    length,
    ids: random.integers(rows * length, 0, 15).map((id, t) => isLandmark(t) ? 256 : id),
    targets: random.integers(rows * length, 0, 15).map((id, t) => isLandmark(t) ? -1 : id),
    weights: Float32Array.from({ length: rows * length }, (_, t) => isLandmark(t) ? 0 : t % 3),
    kinds: ["text", "text"],
    nameless: new Uint8Array(rows * 4),
    negatives: negatives ? { blocks, index: indexTable(blocks, [3, 2], 4) } : undefined,
  };
}
