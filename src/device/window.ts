/**
 * Windows of keys and a cache in front of them: what sliding windows and Transformer-XL (Dai et al.,
 * arXiv 1901.02860) ask of a device beside the operations that all models share.
 */

import type { Tensor } from "./device.ts";
import { checkDivides, checkInteger, matchShapes } from "./shapes.ts";

/**
 * Positions as Transformer-XL has them: the score of query i and key j is
 * scale · [(q_i + u)·k_j + (q_i + w)·r_{i−j}] (Dai et al., arXiv 1901.02860, section 3.3).
 */
export interface RelativePositions {
  /**
   * f32 [P, H, D]: r of the distances 0 … P − 1, projected sinusoids; a distance of P or more takes
   * the last row.
   */
  distances: Tensor;
  /** f32 [H, D]: u, added to queries where they meet keys. */
  contentBias: Tensor;
  /** f32 [H, D]: w, added to queries where they meet distances. */
  positionBias: Tensor;
}

/** Options of {@linkcode WindowOperations.windowAttention}. */
export interface WindowOptions {
  /** A query sees at most so many keys, itself included. @default {all of them} */
  window?: number | undefined;
  /** How many of the S keys, from the front, do not exist yet: a cache that is not full. @default {0} */
  absent?: number | undefined;
  /** Multiplies the scores. @default {1/√D} */
  scale?: number | undefined;
  /** Positions, where q and k have none. @default {none} */
  relative?: RelativePositions | undefined;
}

/** Where {@linkcode WindowOperations.windowAttentionBackward} adds its gradients. */
export interface WindowGradients {
  /** f32 [B, T, H, D]. */
  q: Tensor;
  /** f32 [B, S, G, D]. */
  k: Tensor;
  /** f32 [B, S, G, D]. */
  v: Tensor;
  /** f32 [P, H, D]; needed, as the next two, where positions are relative. */
  distances?: Tensor | undefined;
  /** f32 [H, D]. */
  contentBias?: Tensor | undefined;
  /** f32 [H, D]. */
  positionBias?: Tensor | undefined;
}

/** The operations themselves. */
export interface WindowOperations {
  /**
   * Causal attention over a window, fused: q and out f32 [B, T, H, D], k and v f32 [B, S, G, D]; the
   * queries are the last T of the S keys, so that query t stands at i = S − T + t and sees the keys
   * max(absent, i − window + 1) … i. `sums` f32 [B, T, H] receives the log-sum-exp of every query's
   * scores (what backward needs). A query that sees no key gives zero.
   */
  windowAttention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    sums: Tensor,
    options?: WindowOptions,
  ): void;
  /** The gradients of `windowAttention`, from what it put into `out` and `sums`. */
  windowAttentionBackward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    out: Tensor,
    sums: Tensor,
    dOut: Tensor,
    gradients: WindowGradients,
    options?: WindowOptions,
  ): void;
  /** out f32 [B, m + n, …] = a [B, m, …] and b [B, n, …], row by row. */
  joinRows(a: Tensor, b: Tensor, out: Tensor): void;
  /** Adds the parts of dOut [B, m + n, …] to dA [B, m, …] and dB [B, n, …]; either may be left out. */
  joinRowsBackward(dOut: Tensor, dA: Tensor | undefined, dB: Tensor | undefined): void;
}

/** A call whose shapes and options are right. */
export interface WindowCall {
  readonly shape: Readonly<Record<"B" | "T" | "S" | "H" | "G" | "D", number>>;
  /** At most S. */
  readonly window: number;
  readonly absent: number;
  readonly scale: number;
  /** With P. */
  readonly relative: RelativePositions & { readonly count: number } | undefined;
}

const ATTENTION = {
  q: "f32 B T H D",
  k: "f32 B S G D",
  v: "f32 B S G D",
  out: "f32 B T H D",
  sums: "f32 B T H",
} as const;

const RELATIVE = {
  distances: "f32 P H D",
  contentBias: "f32 H D",
  positionBias: "f32 H D",
} as const;

type Attended = Readonly<Record<keyof typeof ATTENTION, Tensor>>;

/** Checks a call of `windowAttention`. @throws {RangeError} On shapes and options that do not fit. */
export function windowCall(
  operation: string,
  tensors: Attended,
  { window, absent = 0, scale, relative }: WindowOptions,
): WindowCall {
  const { B, T, S, H, G, D } = matchShapes(operation, ATTENTION, tensors);
  checkDivides(operation, ["G", G], ["H", H]);
  if (T > S) {
    throw new RangeError(
      `Cannot run ${operation} as the queries must be the last of ${S} keys: ` +
        `current value is ${T} queries`,
    );
  }
  if (window !== undefined) {
    checkInteger(operation, "window", window, [1, Number.MAX_SAFE_INTEGER]);
  }
  checkInteger(operation, "absent", absent, [0, S]);
  return {
    shape: { B, T, S, H, G, D },
    window: Math.min(window ?? S, S),
    absent,
    scale: scale ?? 1 / Math.sqrt(D),
    relative: relative && { ...relative, count: distancesOf(operation, tensors.q, relative) },
  };
}

/** P, at least 1. */
function distancesOf(operation: string, q: Tensor, relative: RelativePositions): number {
  const { distances, contentBias, positionBias } = relative;
  const given = { q, distances, contentBias, positionBias };
  const { P } = matchShapes(operation, { q: ATTENTION.q, ...RELATIVE }, given);
  checkInteger(operation, "P (rows of distances)", P, [1, Number.MAX_SAFE_INTEGER]);
  return P;
}

/** Checks a call of `windowAttentionBackward`: every input that has a gradient has somewhere to put it. */
export function windowCallBackward(
  tensors: Attended,
  dOut: Tensor,
  { q: dQ, k: dK, v: dV, ...further }: WindowGradients,
  options: WindowOptions,
): WindowCall & { readonly gradients: RelativePositions | undefined } {
  const operation = "windowAttentionBackward";
  const call = windowCall(operation, tensors, options);
  const { q, k, v } = ATTENTION;
  matchShapes(operation, { q, k, v, dOut: q, dQ: q, dK: k, dV: v }, {
    ...{ q: tensors.q, k: tensors.k, v: tensors.v },
    ...{ dOut, dQ, dK, dV },
  });
  if (!options.relative) return { ...call, gradients: undefined };
  const gradients = allOf(operation, further);
  matchShapes(operation, {
    ...RELATIVE,
    dDistances: RELATIVE.distances,
    dContentBias: RELATIVE.contentBias,
    dPositionBias: RELATIVE.positionBias,
  }, {
    ...options.relative,
    dDistances: gradients.distances,
    dContentBias: gradients.contentBias,
    dPositionBias: gradients.positionBias,
  });
  return { ...call, gradients };
}

function allOf(
  operation: string,
  gradients: Omit<WindowGradients, "q" | "k" | "v">,
): RelativePositions {
  const { distances, contentBias, positionBias } = gradients;
  if (distances && contentBias && positionBias) return { distances, contentBias, positionBias };
  throw new TypeError(
    `Cannot run ${operation} as gradients must have distances, contentBias and positionBias where ` +
      `positions are relative: current fields are ${Object.keys(gradients).join(", ") || "none"}`,
  );
}

/** What a call of `joinRows` joins: m and n rows of X numbers in each of B. */
export type JoinShape = Readonly<Record<"B" | "m" | "n" | "X", number>>;

/** Checks a call of `joinRows`. @throws {RangeError} On shapes that do not fit. */
export function joinShape(tensors: { a: Tensor; b: Tensor; out: Tensor }): JoinShape {
  const patterns = { a: "f32 B m …X", b: "f32 B n …X", out: "f32 B rows …X" } as const;
  const { B, m, n, X, rows } = matchShapes("joinRows", patterns, tensors);
  checkRows("joinRows", "out", rows, m + n, `${m} + ${n}`);
  return { B, m, n, X };
}

/** Checks a call of `joinRowsBackward`; how long a part is that was left out, the other one tells. */
export function joinBackwardShape(
  dOut: Tensor,
  dA: Tensor | undefined,
  dB: Tensor | undefined,
): JoinShape {
  const operation = "joinRowsBackward";
  const patterns = { dOut: "f32 B rows …X", dA: "f32 B m …X", dB: "f32 B n …X" } as const;
  const { B, rows, X } = matchShapes(operation, { dOut: patterns.dOut }, { dOut });
  if (dA) matchShapes(operation, { dOut: patterns.dOut, dA: patterns.dA }, { dOut, dA });
  if (dB) matchShapes(operation, { dOut: patterns.dOut, dB: patterns.dB }, { dOut, dB });
  const n = dB?.shape[1] ?? rows - (dA?.shape[1] ?? rows);
  const m = dA?.shape[1] ?? Math.max(0, rows - n);
  checkRows(operation, "dOut", rows, m + Math.max(0, n), `${m} + ${Math.max(0, n)}`);
  return { B, m, n, X };
}

function checkRows(
  operation: string,
  name: string,
  rows: number,
  wanted: number,
  text: string,
): void {
  if (rows === wanted) return;
  throw new RangeError(
    `Cannot run ${operation} as ${name} must have ${text} rows: current value is ${rows}`,
  );
}
