/**
 * The shapes of every operation, in one place for all devices: "f32 T C" is a tensor of that type
 * with axes of lengths T and C; a letter has one length throughout an operation. "…X" stands for
 * any number of axes, alike throughout, of X numbers together.
 */

import type { Tensor } from "./device.ts";

/** What each operation takes. Transposed inputs of `matmul` are the caller's to swap. */
export const SHAPES = {
  copy: { x: "any …X", out: "any …Y" },
  add: { a: "f32 …X", b: "f32 …X", out: "f32 …X" },
  gather: { x: "f32 R …X", rows: "i32 n", out: "f32 n …X" },
  gatherBackward: { dOut: "f32 n …X", rows: "i32 n", dX: "f32 R …X" },
  meanRows: { x: "f32 R …X", first: "i32 n", out: "f32 n …X" },
  meanRowsBackward: { dOut: "f32 n …X", first: "i32 n", dX: "f32 R …X" },
  rmsNorm: { x: "f32 …T C", weight: "f32 C", out: "f32 …T C" },
  rmsNormBackward: {
    x: "f32 …T C",
    weight: "f32 C",
    dOut: "f32 …T C",
    dX: "f32 …T C",
    dWeight: "f32 C",
  },
  rope: { x: "f32 T …H D", positions: "i32 T", rotations: "f32 P E 2", out: "f32 T …H D" },
  swiGlu: { gate: "f32 …X", up: "f32 …X", out: "f32 …X" },
  swiGluBackward: {
    gate: "f32 …X",
    up: "f32 …X",
    dOut: "f32 …X",
    dGate: "f32 …X",
    dUp: "f32 …X",
  },
  crossEntropy: { logits: "f32 T V", targets: "i32 T", weights: "f32 T", losses: "f32 T" },
  crossEntropyBackward: {
    logits: "f32 T V",
    targets: "i32 T",
    weights: "f32 T",
    dLogits: "f32 T V",
  },
  sumSquares: { x: "f32 …X", out: "f32 1" },
  adamW: {
    weight: "f32 …X",
    gradient: "f32 …X",
    mean: "f32 …X",
    variance: "f32 …X",
    norm: "f32 1",
  },
} as const;

/** Letters of "f32 T …X" (and its type, which nobody asks for). */
type Letters<P extends string> = P extends `${infer Head} ${infer Rest}`
  ? Letters<Head> | Letters<Rest>
  : P extends `…${infer Letter}` ? Letter
  : P;

/**
 * Checks tensors against their patterns, and gives the length of every letter.
 *
 * @param operation For the message.
 * @throws {TypeError} If a tensor has another type.
 * @throws {RangeError} If one has another shape; the message shows all of them.
 */
export function matchShapes<const P extends Readonly<Record<string, string>>>(
  operation: string,
  patterns: P,
  tensors: Readonly<Record<keyof P, Tensor>>,
): Record<Letters<P[keyof P]>, number> {
  const lengths: Record<string, number> = {};
  const open = new Map<string, readonly number[]>();
  for (const name in patterns) {
    const [type, ...axes] = patterns[name].split(" ");
    const { dtype, shape } = tensors[name];
    const rightType = type === "any" || type.split("|").includes(dtype);
    if (rightType && matchAxes(axes, shape, lengths, open)) continue;
    const wanted = axes.map((axis) => axisText(axis, lengths, open)).filter(Boolean);
    const others = Object.keys(patterns).filter((other) => other !== name)
      .map((other) => `${other} is ${shapeText(tensors[other])}`);
    throw new (rightType ? RangeError : TypeError)(
      `Cannot run ${operation} as ${name} must be ${type} [${wanted.join(", ")}]: ` +
        `current value is ${shapeText(tensors[name])} (${others.join(", ")})`,
    );
  }
  return lengths as Record<Letters<P[keyof P]>, number>;
}

/** `matchShapes` for one of {@linkcode SHAPES}. */
export function checkShapes<N extends keyof typeof SHAPES>(
  operation: N,
  tensors: Readonly<Record<keyof typeof SHAPES[N], Tensor>>,
): Record<Letters<Extract<typeof SHAPES[N][keyof typeof SHAPES[N]], string>>, number> {
  return matchShapes(operation, SHAPES[operation] as Record<string, string>, tensors);
}

/** @throws {RangeError} If an option or index is not an integer of [low, high]. */
export function checkInteger(
  operation: string,
  name: string,
  value: number,
  [low, high]: readonly [number, number],
): void {
  if (Number.isInteger(value) && value >= low && value <= high) return;
  throw new RangeError(
    `Cannot run ${operation} as ${name} must be an integer in [${low}, ${high}]: ` +
      `current value is ${value}`,
  );
}

/** @throws {RangeError} If `divisor` does not divide `value`, as heads do not divide heads. */
export function checkDivides(
  operation: string,
  [name, divisor]: readonly [string, number],
  [ofName, value]: readonly [string, number],
): void {
  if (value % divisor === 0) return;
  throw new RangeError(
    `Cannot run ${operation} as ${name} must divide ${ofName} = ${value}: ` +
      `current value is ${divisor}`,
  );
}

/** "f32 [2, 3]". */
export function shapeText({ dtype, shape }: Pick<Tensor, "dtype" | "shape">): string {
  return `${dtype} [${shape.join(", ")}]`;
}

/** Whether the axes fit; learns the letters it meets first. */
function matchAxes(
  axes: readonly string[],
  shape: readonly number[],
  lengths: Record<string, number>,
  open: Map<string, readonly number[]>,
): boolean {
  if (shape.length < axes.filter((axis) => !axis.startsWith("…")).length) return false;
  let at = 0;
  for (const [i, axis] of axes.entries()) {
    if (axis.startsWith("…")) {
      const letter = axis.slice(1);
      const rest = shape.slice(at, shape.length - (axes.length - 1 - i));
      const known = open.get(letter) ?? rest;
      if (known.length !== rest.length || known.some((length, j) => length !== rest[j])) {
        return false;
      }
      open.set(letter, rest);
      lengths[letter] = rest.reduce((product, length) => product * length, 1);
      at += rest.length;
    } else {
      const fixed = Number(axis);
      const length = Number.isNaN(fixed) ? lengths[axis] ??= shape[at] : fixed;
      if (shape[at++] !== length) return false;
    }
  }
  return at === shape.length;
}

/** How an axis reads in a message: its length where it is known. */
function axisText(
  axis: string,
  lengths: Readonly<Record<string, number>>,
  open: ReadonlyMap<string, readonly number[]>,
): string {
  if (!axis.startsWith("…")) return String(lengths[axis] ?? axis);
  return open.get(axis.slice(1))?.join(", ") ?? axis;
}
