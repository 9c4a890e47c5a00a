import type { Mechanism, Window } from "../attention/mechanism.ts";
import type { Device, Tensor } from "../device/device.ts";
import { eagerOps, type Ops } from "../device/ops.ts";
import { hiddenStates, logitsOf, type Model } from "../model/transformer.ts";
import type { TrainingBatch } from "./data/batch.ts";
import { tape } from "./tape.ts";

/** A model, and the mechanism it looks back with. */
export interface Learner {
  readonly device: Device;
  readonly model: Model;
  readonly mechanism: Mechanism;
}

/** What came of one batch. */
export interface Pass {
  /** Σ weight · cross entropy / Σ weight, in nats. */
  readonly loss: number;
  /** weight · cross entropy of every token, in nats: [rows · length]. */
  readonly losses: Float32Array | Float64Array;
}

/** What a pass will have come to: a GPU may still be at it. */
export interface PassUnderWay {
  readonly pass: Promise<Pass>;
}

type Numbers = Float32Array | Float64Array;

/**
 * Goes forward and back over a batch, adding the gradients of its loss to `gradients`.
 *
 * Where a mechanism cuts rows into windows, a window is computed twice: forward, when only what it
 * hands on is kept, and once more on the way back. What is held at once is then that of one window,
 * however long rows are.
 */
export async function forwardAndBack(
  learner: Learner,
  batch: TrainingBatch,
  gradients: ReadonlyMap<Tensor, Tensor>,
): Promise<PassUnderWay> {
  using attention = learner.mechanism.batch(learner.device, batch);
  const total = sum(batch.weights);
  const parts: [Window, Promise<Numbers>][] = [];
  for (const run of runsOf(attention.windows)) {
    parts.push(...await throughRun(learner, batch, run, gradients, total));
  }
  // A promise of its own, not waited for: the next pass can begin while this one is computed.
  return { pass: together(batch, parts).then((losses) => ({ losses, loss: sum(losses) / total })) };
}

/** Goes forward only. */
export async function forward(
  { device, model, mechanism }: Learner,
  batch: TrainingBatch,
): Promise<Pass & { logits: Numbers }> {
  using attention = mechanism.batch(device, batch);
  const losses: [Window, Promise<Numbers>][] = [];
  const logits: [Window, Promise<Numbers>][] = [];
  for (const window of attention.windows) {
    using ops = eagerOps(device);
    const { ids, targets, weights } = inputs(ops, batch, window);
    const hidden = await hiddenStates(ops, model, ids, window.begin().attend);
    const made = logitsOf(ops, model, hidden);
    const loss = ops.input(targets.shape, { zero: false });
    device.crossEntropy(made, targets, weights, loss);
    losses.push([window, device.read(loss) as Promise<Numbers>]);
    logits.push([window, device.read(made) as Promise<Numbers>]);
  }
  const all = await together(batch, losses);
  return {
    losses: all,
    loss: sum(all) / sum(batch.weights),
    logits: await together(batch, logits),
  };
}

/** Windows that gradients flow through: a run ends where they are cut. */
function runsOf(windows: readonly Window[]): Window[][] {
  const runs: Window[][] = [[]];
  for (const window of windows) {
    runs.at(-1)!.push(window);
    if (window.isCut) runs.push([]);
  }
  return runs.filter((run) => run.length > 0);
}

async function throughRun(
  { device, model }: Learner,
  batch: TrainingBatch,
  run: readonly Window[],
  gradients: ReadonlyMap<Tensor, Tensor>,
  total: number,
): Promise<[Window, Promise<Numbers>][]> {
  using stack = new DisposableStack();
  // What windows hand on has a gradient too, as long as the run lasts.
  const known = new Map(gradients);
  for (const window of run.slice(0, -1)) {
    using ops = eagerOps(device);
    const { attend, handed } = window.begin();
    await hiddenStates(ops, model, inputs(ops, batch, window).ids, attend);
    for (const { kept } of handed) known.set(kept, stack.use(device.tensor(kept.shape)));
  }
  const parts: [Window, Promise<Numbers>][] = [];
  for (const window of run.toReversed()) {
    using ops = tape(device, known);
    const { ids, targets, weights } = inputs(ops, batch, window);
    const { attend, handed } = window.begin();
    const hidden = await hiddenStates(ops, model, ids, attend);
    const losses = ops.crossEntropy(logitsOf(ops, model, hidden), targets, weights, 1 / total);
    // Known are those of the run only: what lies behind a cut sends nothing back.
    for (const { made, kept } of handed) {
      const gradient = known.get(kept);
      if (gradient) device.add(ops.gradient(made), gradient, ops.gradient(made));
    }
    ops.backward();
    parts.push([window, device.read(losses) as Promise<Numbers>]);
  }
  return parts;
}

/** The tokens of all rows in a window. */
function inputs(
  ops: Ops,
  { rows, length, ids, targets, weights }: TrainingBatch,
  window: Window,
): { ids: Tensor; targets: Tensor; weights: Tensor } {
  const cut = <Kind extends Int32Array | Float32Array>(numbers: Kind): Kind => {
    if (window.length === length) return numbers;
    const part = numbers.slice(0, rows * window.length) as Kind;
    for (let row = 0; row < rows; row++) {
      const from = row * length + window.at;
      part.set(numbers.subarray(from, from + window.length), row * window.length);
    }
    return part;
  };
  const count = rows * window.length;
  return {
    ids: ops.input([count], { dtype: "i32", data: cut(ids) }),
    targets: ops.input([count], { dtype: "i32", data: cut(targets) }),
    weights: ops.input([count], { data: cut(weights) }),
  };
}

/** What each window came to, as the rows have it: [rows · length · numbers a token]. */
async function together(
  { rows, length }: TrainingBatch,
  parts: readonly [Window, Promise<Numbers>][],
): Promise<Numbers> {
  const all = await Promise.all(parts.map(([, numbers]) => numbers));
  if (parts.length === 1) return all[0];
  const each = all[0].length / (rows * parts[0][0].length);
  const whole = new (all[0].constructor as Float32ArrayConstructor)(rows * length * each);
  for (const [i, [window]] of parts.entries()) {
    const size = window.length * each;
    for (let row = 0; row < rows; row++) {
      const from = all[i].subarray(row * size, (row + 1) * size);
      whole.set(from, (row * length + window.at) * each);
    }
  }
  return whole;
}

/** In f64, one after another, so that it is the same sum everywhere. */
function sum(numbers: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < numbers.length; i++) total += numbers[i];
  return total;
}
