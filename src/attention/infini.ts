import type { Device, Tensor } from "../device/device.ts";
import type { Ops } from "../device/ops.ts";
import {
  GATE,
  type InfiniMechanismOptions,
  type InfiniPlan,
  planInfini,
  START,
} from "./infini_plan.ts";

import { infiniState } from "./infini_state.ts";
import { emptyInfiniParts } from "./infini_parts.ts";
import { restoreInfiniParts } from "./infini_snapshot.ts";
import type {
  Batch,
  BatchAttention,
  Handed,
  HeadShape,
  LayerInput,
  Mechanism,
  OwnParameter,
  Window,
} from "./mechanism.ts";
import { rotationTable } from "./rotations.ts";
import { segmentsOf, type Stretch } from "./segments.ts";

/**
 * Infini-attention (Munkhdalai et al., arXiv 2404.07143): ordinary attention inside a segment, and
 * a memory of fixed size that every segment is written to, read through a gate for each head.
 *
 * Positions turn keys and queries inside a segment, and begin anew in each; the memory has none.
 */
export function infiniMechanism(heads: HeadShape, options: InfiniMechanismOptions): Mechanism {
  const plan = planInfini(heads, options);
  return {
    name: "infini",
    capabilities: { causal: true, boundedState: true, randomAccess: false },
    marker: undefined,
    parameters: (layer) => new Map(layer === undefined ? [] : ownParameters(heads, plan)),
    batch: (device, batch) => infiniBatch(device, heads, plan, batch),
    state: (device) => infiniState(emptyInfiniParts(device, plan)),
    restore: async (device, saved) => infiniState(await restoreInfiniParts(device, plan, saved)),
  };
}

function ownParameters({ heads }: HeadShape, plan: InfiniPlan): [string, OwnParameter][] {
  // It begins in the middle, learns at a rate of its own, and must not be drawn back there.
  const gate = { shape: [heads], start: 0, decays: false, isGate: true };
  if (!plan.learnedStart) return [[GATE, gate]];
  const [G, D, E] = plan.memoryShape;
  const numbers = new Float32Array(G * D * E);
  // M = 0 and z = 1/D: something to divide by, and nothing stored.
  for (let i = D; i < numbers.length; i += E) numbers[i] = 1 / D;
  return [
    [GATE, gate],
    [START, { shape: plan.memoryShape, start: numbers, decays: false, isGate: false }],
  ];
}

/** One window a segment, unless rows are of several documents or are wanted whole. */
function stretches({ length, document, present, whole }: Batch, segment: number): Stretch[] {
  if (whole || document || present) return [{ at: 0, length }];
  return Array.from({ length: Math.ceil(length / segment) }, (_, w) => ({
    at: w * segment,
    length: Math.min(segment, length - w * segment),
  }));
}

function infiniBatch(
  device: Device,
  heads: HeadShape,
  plan: InfiniPlan,
  batch: Batch,
): BatchAttention {
  using stack = new DisposableStack();
  const make = (shape: readonly number[]): Tensor => stack.use(device.tensor(shape));
  const shared = {
    plan,
    batch,
    empty: make(plan.memoryShape),
    rotations: stack.use(device.tensor([plan.segment, heads.headDim / 2, 2], {
      data: rotationTable(heads.frequencies, plan.segment),
    })),
  };
  const parts = stretches(batch, plan.segment);
  const { backWindows = parts.length } = batch;
  // What the windows begin from: the first one begins a text, in all layers alike.
  const fronts = parts.map((_, w) =>
    Array.from(
      { length: w === 0 ? 1 : heads.layers },
      () => make([batch.rows, ...plan.memoryShape]),
    )
  );
  const windows = parts.map((part, w): Window => {
    const segment = stack.use(segmentAttention(device, shared, part));
    return {
      ...part,
      isCut: w === parts.length - 1 || (w + 1) % backWindows === 0,
      begin() {
        const handed: Handed[] = [];
        return {
          handed,
          attend(ops, layer, input) {
            const { out, after } = segment.attend(ops, input, fronts[w][w === 0 ? 0 : layer]);
            const kept = fronts[w + 1]?.[layer];
            if (kept) {
              device.copy(after, kept);
              handed.push({ made: after, kept });
            }
            return out;
          },
        };
      },
    };
  });
  const owned = stack.move();
  return { windows, [Symbol.dispose]: () => owned.dispose() };
}

/** What the windows of a batch share. */
interface Shared {
  readonly plan: InfiniPlan;
  readonly batch: Batch;
  readonly rotations: Tensor;
  /** The memory that holds nothing. */
  readonly empty: Tensor;
}

/** Attention of one window, in any layer. */
interface SegmentAttention extends Disposable {
  attend(ops: Ops, input: LayerInput, before: Tensor): { out: Tensor; after: Tensor };
}

function segmentAttention(
  device: Device,
  { plan, batch, rotations, empty }: Shared,
  window: Stretch,
): SegmentAttention {
  const { rows, present } = batch;
  const { learnedStart, options } = plan;
  using stack = new DisposableStack();
  const cut = segmentsOf(batch, window, { size: plan.segment, learnedStart });
  const i32 = (shape: readonly number[], data: Int32Array): Tensor =>
    stack.use(device.tensor(shape, { dtype: "i32", data }));
  const segments = i32([rows, cut.count, 3], cut.table);
  const positions = i32([cut.position.length], cut.position);
  // Inside a segment attention is ordinary: a plan without landmarks. Whole segments are rows of
  // their own, which kernels are fastest at; others are documents.
  const whole = cut.count === 1 || window.length === cut.count * plan.segment;
  const apart = whole && !batch.document && !present;
  const [localRows, localLength] = apart
    ? [rows * cut.count, window.length / cut.count]
    : [rows, window.length];
  const isLandmark = new Uint8Array(localLength);
  const blocks = stack.use(device.blocks(
    apart ? { isLandmark } : { isLandmark, document: cut.number, ...(present && { present }) },
    localRows,
    localLength,
  ));
  const owned = stack.move();
  return {
    attend(ops, input, before) {
      const grid = (x: Tensor): Tensor =>
        ops.reshape(x, [rows, window.length, ...x.shape.slice(1)]);
      const segment = (x: Tensor): Tensor =>
        ops.reshape(x, [localRows, localLength, ...x.shape.slice(1)]);
      const turn = (x: Tensor): Tensor => segment(ops.rope(x, positions, rotations));
      const [q, k, v] = [input.q(), input.k(), input.v()];
      const near = ops.landmarkAttention(turn(q), turn(k), segment(v), blocks);
      const local = ops.reshape(near, [rows, window.length, ...near.shape.slice(2)]);
      const { out, after } = ops.infiniAttention({
        ...{ q: grid(q), k: grid(k), v: grid(v), local, segments, before, options },
        gate: input.own(GATE),
        initial: learnedStart ? input.own(START) : empty,
      });
      return { out: ops.reshape(out, q.shape), after };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
