/** Holds gradients of a whole model against central differences of its loss. */

import type { Tensor } from "../../src/device/device.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import type { Mechanism } from "../../src/attention/mechanism.ts";
import { mechanismOf } from "../../src/model/mechanism_of.ts";
import type { TrainingBatch } from "../../src/train/data/batch.ts";
import { initialWeights } from "../../src/train/initial_weights.ts";
import { forward, forwardAndBack, type Learner } from "../../src/train/pass.ts";
import { assertClose } from "../close.ts";
import { reference } from "../devices.ts";
import { randomFrom } from "../random.ts";

const STEP = 1e-5;
const CHECKED = 6;

/** A model on the reference device, with room for gradients. */
export interface SlopeModel extends Disposable {
  readonly learner: Learner;
  readonly weights: ReadonlyMap<string, Tensor>;
  /** New gradients, all zero. */
  gradients(): Map<Tensor, Tensor>;
}

/** A model whose matrices are twenty times as large as usual, so that attention is far from even. */
export function slopeModel(
  config: ModelConfig,
  mechanism: Mechanism = mechanismOf(config),
): SlopeModel {
  using stack = new DisposableStack();
  const weights = new Map<string, Tensor>();
  for (const [name, { shape, data }] of initialWeights(config, 3)) {
    const wide = shape.length === 2 ? data.map((x) => 20 * x) : data;
    weights.set(name, stack.use(reference.tensor(shape, { data: wide })));
  }
  const owned = stack.move();
  return {
    learner: { device: reference, model: { config, weights }, mechanism },
    weights,
    gradients: () =>
      new Map(
        [...weights.values()].map((weight) => [weight, owned.use(reference.tensor(weight.shape))]),
      ),
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Compares some elements of every parameter's gradient with central differences. */
export async function checkSlopes(
  { learner, weights, gradients }: SlopeModel,
  batch: TrainingBatch,
  isChecked: (name: string) => boolean = () => true,
): Promise<void> {
  const random = randomFrom(11);
  const exact = gradients();
  await (await forwardAndBack(learner, batch, exact)).pass;
  const loss = async (): Promise<number> => (await forward(learner, batch)).loss;
  for (const [name, weight] of weights) {
    if (!isChecked(name)) continue;
    const values = await reference.read(weight);
    const gradient = await reference.read(exact.get(weight)!);
    const actual: number[] = [];
    const expected: number[] = [];
    for (let n = 0; n < CHECKED; n++) {
      // Rows of the embedding that no token uses have no gradient: these ids are below 16.
      const width = learner.model.config.width;
      const i = random.integer(0, Math.min(values.length, 16 * width) - 1);
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
