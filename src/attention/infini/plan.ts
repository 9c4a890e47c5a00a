import type { InfiniOptions } from "../../device/device.ts";
import type { HeadShape } from "../../memory/head_shape.ts";
import type { Attend } from "../mechanism.ts";

/** What Infini-attention needs to know beside the heads. */
export interface InfiniMechanismOptions {
  /** Tokens that are written to the memory at once. */
  readonly segment: number;
  /** How. @default {"delta"} */
  readonly update?: InfiniOptions["update"];
  /** A text begins from a memory that is learnt, not from an empty one. @default {false} */
  readonly learnedStart?: boolean;
  /** What gates are before training, before their sigmoid. @default {0: they begin in the middle} */
  readonly gateStart?: number;
}

/** What a memory is beside. */
export interface Beside {
  /** Its result takes the place of attention inside the segments. @default {that attention} */
  readonly near?: Attend | undefined;
}

/** The gate β of every query head, before its sigmoid: how much the memory counts. */
export const GATE = "memory_gate";
/** The memory a text begins from, if it is learnt. */
export const START = "memory_start";

/** Options of Infini-attention, complete. */
export interface InfiniPlan {
  readonly heads: HeadShape;
  readonly segment: number;
  readonly learnedStart: boolean;
  readonly gateStart: number;
  /** Of a layer: [G, D, D + 1]. */
  readonly memoryShape: readonly [G: number, D: number, E: number];
  readonly options: InfiniOptions;
}

/** Completes options. */
export function planInfini(
  heads: HeadShape,
  { segment, update = "delta", learnedStart = false, gateStart = 0 }: InfiniMechanismOptions,
): InfiniPlan {
  const { kvHeads, headDim } = heads;
  return {
    heads,
    segment,
    learnedStart,
    gateStart,
    memoryShape: [kvHeads, headDim, headDim + 1],
    options: { update },
  };
}
