/**
 * Infini-attention's memory (Munkhdalai et al., arXiv 2404.07143), as every device has it.
 *
 * A memory is f32 [.., G, D, D + 1]: row i of a key/value head holds M[i, 0 … D−1], what feature i
 * of the keys stored of every value, and, last, z[i], how much of that feature was stored. With
 * φ = ELU + 1, elementwise, and query head h at memory h / (H/G):
 *
 * - read: A = φ(q)·M / max(φ(q)·z, epsilon), then out = σ(gate)·A + (1 − σ(gate))·local;
 * - `linear` write: M += φ(K)ᵀ·V; `delta` write: M += φ(K)ᵀ·(V − φ(K)·M / max(φ(K)·z, epsilon)),
 *   against the memory as it was before the segment; both: z += Σ φ(K).
 *
 * Where a divisor is held at epsilon its gradient is zero.
 */

import type { Tensor } from "./device.ts";
import { checkDivides, matchShapes } from "./shapes.ts";

/** How a memory is written (arXiv 2404.07143, eq. 4 and 5). */
export type InfiniUpdate = "linear" | "delta";

/** Options of Infini-attention's operations. */
export interface InfiniOptions {
  /** How segments are written. */
  update: InfiniUpdate;
  /** Divisors are at least this. @default {1e-6} */
  epsilon?: number;
}

/** Where {@linkcode InfiniOperations.infiniAttentionBackward} adds its gradients. */
export interface InfiniGradients {
  /** f32 [B, T, H, D]. */
  q: Tensor;
  /** f32 [B, T, G, D]. */
  k: Tensor;
  /** f32 [B, T, G, D]. */
  v: Tensor;
  /** f32 [B, T, H, D]. */
  local: Tensor;
  /** f32 [H]. */
  gate: Tensor;
  /** f32 [G, D, D + 1]. */
  initial: Tensor;
  /** f32 [B, G, D, D + 1]. */
  before: Tensor;
}

/** A segment begins from `initial`, not from what the segment before it left: a document's start. */
export const FROM_INITIAL = 1;
/** There is nothing to read yet: out = local, ungated. The segment is written all the same. */
export const READS_NOTHING = 2;

/** What a device does for Infini-attention. */
export interface InfiniOperations {
  /**
   * Whole rows, as training has them. Local attention is computed before, by `landmarkAttention`
   * with a plan without landmarks whose documents are the segments.
   *
   * q, local and out f32 [B, T, H, D]; k and v f32 [B, T, G, D], none of them rotated; gate f32 [H],
   * before the sigmoid. segments i32 [B, S, 3]: first token, end token and kind of each segment, in
   * order; the kind is a sum of {@linkcode FROM_INITIAL} and {@linkcode READS_NOTHING}. One without
   * tokens (first = end) is none: it leaves what it begins from. Each is read before it is written.
   * Tokens of no segment, padding, give zero and are not written.
   * initial f32 [G, D, D + 1]; before f32 [B, G, D, D + 1]: the memory in front of the first segment.
   * memories f32 [B, S, G, D, D + 1] receives the memory behind each segment.
   * out and memories are other tensors than the inputs.
   */
  infiniAttention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    local: Tensor,
    gate: Tensor,
    segments: Tensor,
    initial: Tensor,
    before: Tensor,
    out: Tensor,
    memories: Tensor,
    options: InfiniOptions,
  ): void;
  /**
   * The gradients of `infiniAttention`, from what it put into `memories`, dOut f32 [B, T, H, D] and
   * dAfter f32 [B, G, D, D + 1], the gradient of the last memory.
   */
  infiniAttentionBackward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    local: Tensor,
    gate: Tensor,
    segments: Tensor,
    initial: Tensor,
    before: Tensor,
    memories: Tensor,
    dOut: Tensor,
    dAfter: Tensor,
    gradients: InfiniGradients,
    options: InfiniOptions,
  ): void;
  /** Streaming: q, local and out f32 [T, H, D], gate f32 [H], read memory f32 [G, D, D + 1]. */
  infiniRead(
    q: Tensor,
    local: Tensor,
    gate: Tensor,
    memory: Tensor,
    out: Tensor,
    options: InfiniOptions,
  ): void;
  /**
   * Streaming: adds k and v f32 [T, G, D], as one segment, to memory f32 [G, D, D + 1]. The memory
   * is the sum of `memory` and `remainder`, of the same shape: what is too small to be added to the
   * one goes to the other, so that a memory of any length goes on growing.
   */
  infiniWrite(
    k: Tensor,
    v: Tensor,
    memory: Tensor,
    remainder: Tensor,
    options: InfiniOptions,
  ): void;
}

const MEMORIES = {
  initial: "f32 G D E",
  before: "f32 B G D E",
  memories: "f32 B S G D E",
} as const;
const ATTENTION = {
  q: "f32 B T H D",
  k: "f32 B T G D",
  v: "f32 B T G D",
  local: "f32 B T H D",
  gate: "f32 H",
  segments: "i32 B S 3",
  ...MEMORIES,
} as const;

/** Patterns of each operation; gradients are called dQ, dK, ... */
const SHAPES = {
  infiniAttention: { ...ATTENTION, out: ATTENTION.q },
  infiniAttentionBackward: {
    ...ATTENTION,
    dOut: ATTENTION.q,
    dAfter: ATTENTION.before,
    dQ: ATTENTION.q,
    dK: ATTENTION.k,
    dV: ATTENTION.v,
    dLocal: ATTENTION.q,
    dGate: ATTENTION.gate,
    dInitial: ATTENTION.initial,
    dBefore: ATTENTION.before,
  },
  infiniRead: {
    q: "f32 T H D",
    local: "f32 T H D",
    gate: "f32 H",
    memory: "f32 G D E",
    out: "f32 T H D",
  },
  infiniWrite: {
    k: "f32 T G D",
    v: "f32 T G D",
    memory: "f32 G D E",
    remainder: "f32 G D E",
  },
} as const;

/** Lengths of a call's axes; those that an operation does not have are 1. */
export type InfiniShape = Record<"B" | "T" | "S" | "H" | "G" | "D", number>;

/**
 * Checks the shapes of an operation and its options.
 *
 * @throws {RangeError} If one does not fit.
 */
export function checkInfini<N extends keyof typeof SHAPES>(
  operation: N,
  tensors: Readonly<Record<keyof typeof SHAPES[N], Tensor>>,
  { update, epsilon = 1e-6 }: InfiniOptions,
): { shape: InfiniShape; delta: boolean; epsilon: number } {
  const patterns: Readonly<Record<string, string>> = SHAPES[operation];
  const lengths: Record<string, number> = matchShapes(operation, patterns, tensors);
  const shape = { B: 1, S: 1, H: lengths.G, ...lengths } as InfiniShape & { E: number };
  checkDivides(operation, ["G", shape.G], ["H", shape.H]);
  if (shape.E !== shape.D + 1) {
    throw new RangeError(
      `Cannot run ${operation} as the last axis of a memory must be D + 1 = ${shape.D + 1}: ` +
        `current value is ${shape.E}`,
    );
  }
  if (update !== "linear" && update !== "delta") {
    throw new TypeError(
      `Cannot run ${operation} as update must be "linear" or "delta": current value is ${update}`,
    );
  }
  if (!(epsilon > 0 && epsilon < Infinity)) {
    throw new RangeError(
      `Cannot run ${operation} as epsilon must be a positive number: current value is ${epsilon}`,
    );
  }
  return { shape, delta: update === "delta", epsilon };
}

/**
 * Checks i32 [B, S, 3].
 *
 * @throws {RangeError} If a segment is not within the T tokens, begins before the end of another in
 * front of it, or is of no known kind.
 */
export function checkSegments(
  operation: string,
  segments: Int32Array,
  { B, S, T }: InfiniShape,
): void {
  for (let b = 0; b < B; b++) {
    let done = 0;
    for (let s = 0; s < S; s++) {
      const [first, end, kind] = segments.subarray((b * S + s) * 3, (b * S + s) * 3 + 3);
      const rightKind = (kind & ~(FROM_INITIAL | READS_NOTHING)) === 0;
      if (rightKind && first === end) continue;
      if (rightKind && first >= done && end > first && end <= T) done = end;
      else {
        throw new RangeError(
          `Cannot run ${operation} as segment ${s} of row ${b} must be [first, end, kind] with ` +
            `${done} ≤ first ≤ end ≤ ${T} and a kind of 0 to 3: ` +
            `current value is [${first}, ${end}, ${kind}]`,
        );
      }
    }
  }
}
