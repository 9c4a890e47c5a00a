import type { Mechanism } from "../attention/mechanism.ts";
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

/** Goes forward and back over a batch, adding the gradients of its loss to `gradients`. */
export async function forwardAndBack(
  { device, model, mechanism }: Learner,
  batch: TrainingBatch,
  gradients: ReadonlyMap<Tensor, Tensor>,
): Promise<PassUnderWay> {
  using attention = mechanism.batch(device, batch);
  using ops = tape(device, gradients);
  const { ids, targets, weights } = inputs(ops, batch);
  const total = sum(batch.weights);
  const hidden = await hiddenStates(ops, model, ids, attention.attend);
  const losses = ops.crossEntropy(logitsOf(ops, model, hidden), targets, weights, 1 / total);
  ops.backward();
  // A promise of its own, not waited for: the next pass can begin while this one is computed.
  return { pass: device.read(losses).then((read) => passOf(read, total)) };
}

/** Goes forward only. */
export async function forward(
  { device, model, mechanism }: Learner,
  batch: TrainingBatch,
): Promise<Pass & { logits: Float32Array | Float64Array }> {
  using attention = mechanism.batch(device, batch);
  using ops = eagerOps(device);
  const { ids, targets, weights } = inputs(ops, batch);
  const hidden = await hiddenStates(ops, model, ids, attention.attend);
  const logits = logitsOf(ops, model, hidden);
  const losses = ops.input([batch.targets.length]);
  device.crossEntropy(logits, targets, weights, losses);
  return {
    ...passOf(await device.read(losses), sum(batch.weights)),
    logits: await device.read(logits) as Float32Array | Float64Array,
  };
}

function inputs(
  ops: Ops,
  { ids, targets, weights }: TrainingBatch,
): { ids: Tensor; targets: Tensor; weights: Tensor } {
  return {
    ids: ops.input([ids.length], { dtype: "i32", data: ids }),
    targets: ops.input([targets.length], { dtype: "i32", data: targets }),
    weights: ops.input([weights.length], { data: weights }),
  };
}

function passOf(read: Awaited<ReturnType<Device["read"]>>, total: number): Pass {
  const losses = read as Float32Array | Float64Array;
  return { losses, loss: sum(losses) / total };
}

/** In f64, one after another, so that it is the same sum everywhere. */
function sum(numbers: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < numbers.length; i++) total += numbers[i];
  return total;
}
