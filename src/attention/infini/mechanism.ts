import type { Device, Tensor } from "../../device/device.ts";
import type { Ops } from "../../device/ops.ts";
import {
  type Beside,
  GATE,
  type InfiniMechanismOptions,
  type InfiniPlan,
  planInfini,
  START,
} from "./plan.ts";

import { type InfiniState, infiniState } from "./state.ts";
import { emptyInfiniParts } from "./parts.ts";
import { restoreInfiniParts } from "./snapshot.ts";
import type { HeadShape } from "../../memory/head_shape.ts";
import type {
  Attend,
  Batch,
  BatchAttention,
  Handed,
  LayerInput,
  Mechanism,
  OwnParameter,
  SavedState,
  StateOptions,
  Window,
} from "../mechanism.ts";
import { rotationTable } from "../rotations.ts";
import { type Segments, segmentsOf, type Stretch } from "./segments.ts";

/** Infini-attention, whose memory may be beside another attention than that inside its segments. */
export interface InfiniMechanism extends Mechanism {
  /** Attention over whole rows: beside `near`, if there is one. */
  batch(device: Device, batch: Batch & Beside): BatchAttention;
  state(device: Device, options?: StateOptions): InfiniState;
  restore(device: Device, saved: SavedState, options?: StateOptions): Promise<InfiniState>;
}

/**
 * Infini-attention (Munkhdalai et al., arXiv 2404.07143): ordinary attention inside a segment, and
 * a memory of fixed size that every segment is written to, read through a gate for each head.
 *
 * Positions turn keys and queries inside a segment, and begin anew in each; the memory has none.
 */
export function infiniMechanism(
  heads: HeadShape,
  options: InfiniMechanismOptions,
): InfiniMechanism {
  const plan = planInfini(heads, options);
  return {
    name: "infini",
    capabilities: { causal: true, boundedState: true, randomAccess: false, replaceable: false },
    marker: undefined,
    parameters: (layer) => new Map(layer === undefined ? [] : ownParameters(heads, plan)),
    batch: (device, batch) => infiniBatch(device, heads, plan, batch),
    state: (device) => infiniState(emptyInfiniParts(device, plan)),
    restore: async (device, saved) => infiniState(await restoreInfiniParts(device, plan, saved)),
  };
}

function ownParameters({ heads }: HeadShape, plan: InfiniPlan): [string, OwnParameter][] {
  // It learns at a rate of its own, and must not be drawn back to where it begins.
  const gate = { shape: [heads], start: plan.gateStart, decays: false, isGate: true };
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
  batch: Batch & Beside,
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
          async attend(ops, layer, input) {
            const local = await segment.near(ops, layer, input);
            const before = fronts[w][w === 0 ? 0 : layer];
            const { out, after } = segment.withMemory(ops, input, local, before);
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
  readonly batch: Batch & Beside;
  readonly rotations: Tensor;
  /** The memory that holds nothing. */
  readonly empty: Tensor;
}

/** Attention of one window, in any layer: what the memory is beside, and the two together. */
interface SegmentAttention extends Disposable {
  readonly near: Attend;
  withMemory(
    ops: Ops,
    input: LayerInput,
    local: Tensor,
    before: Tensor,
  ): { out: Tensor; after: Tensor };
}

function segmentAttention(
  device: Device,
  shared: Shared,
  window: Stretch,
): SegmentAttention {
  const { plan: { segment, learnedStart, options }, batch, empty } = shared;
  const { rows } = batch;
  using stack = new DisposableStack();
  const cut = segmentsOf(batch, window, { size: segment, learnedStart });
  const segments = stack.use(
    device.tensor([rows, cut.count, 3], { dtype: "i32", data: cut.table }),
  );
  const near = batch.near ?? stack.use(attentionInside(device, shared, window, cut)).attend;
  const owned = stack.move();
  return {
    near,
    withMemory(ops, input, local, before) {
      const grid = (x: Tensor): Tensor =>
        ops.reshape(x, [rows, window.length, ...x.shape.slice(1)]);
      const [q, k, v] = [input.q(), input.k(), input.v()];
      const { out, after } = ops.infiniAttention({
        ...{ q: grid(q), k: grid(k), v: grid(v), local: grid(local), segments, before, options },
        gate: input.own(GATE),
        initial: learnedStart ? input.own(START) : empty,
      });
      return { out: ops.reshape(out, q.shape), after };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** Ordinary attention inside the segments of a window: a plan without landmarks. */
function attentionInside(
  device: Device,
  { plan, batch, rotations }: Shared,
  window: Stretch,
  cut: Segments,
): Disposable & { readonly attend: Attend } {
  const { rows, document, present } = batch;
  using stack = new DisposableStack();
  const positions = stack.use(
    device.tensor([cut.position.length], { dtype: "i32", data: cut.position }),
  );
  // Whole segments are rows of their own, which kernels are fastest at; others are documents.
  const whole = cut.count === 1 || window.length === cut.count * plan.segment;
  const apart = whole && !document && !present;
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
    attend(ops, _layer, input) {
      const segment = (x: Tensor): Tensor =>
        ops.reshape(x, [localRows, localLength, ...x.shape.slice(1)]);
      const turn = (x: Tensor): Tensor => segment(ops.rope(x, positions, rotations));
      const q = input.q();
      const out = ops.landmarkAttention(turn(q), turn(input.k()), segment(input.v()), blocks);
      return ops.reshape(out, q.shape);
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}
