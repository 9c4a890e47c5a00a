/**
 * The shapes of every operation, in one place for all devices: "f32 T C" is a tensor of that type
 * with axes of lengths T and C; a letter has one length throughout an operation. "…X" stands for
 * any number of axes, alike throughout, of X numbers together.
 */

import { sizeOf, type Tensor } from "./device.ts";

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
  const open: Open = new Map();
  for (const name in patterns) {
    const pattern = parsed(patterns[name]);
    const { dtype, shape } = tensors[name];
    const rightType = pattern.types === undefined || pattern.types.includes(dtype);
    if (rightType && matchAxes(pattern, shape, lengths, open)) continue;
    const { type, axes } = pattern;
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

/** Axes that "…" stands for, by its letter. */
type Open = Map<string, readonly number[]>;

/** A pattern, taken apart. */
interface Pattern {
  readonly type: string;
  /** `undefined` where any will do. */
  readonly types: readonly string[] | undefined;
  readonly axes: readonly Axis[];
  /** How many axes there are beside those that "…" stands for. */
  readonly least: number;
}

interface Axis {
  readonly letter: string;
  readonly isOpen: boolean;
  readonly fixed: number | undefined;
}

/** Kept, as an operation is checked each time it is run: some have lengths in them, so not for ever. */
const patternsSeen = new Map<string, Pattern>();
const MOST_SEEN = 1024;

function parsed(text: string): Pattern {
  const seen = patternsSeen.get(text);
  if (seen) return seen;
  const [type, ...words] = text.split(" ");
  const axes = words.map((word): Axis => {
    const isOpen = word.startsWith("…");
    const fixed = Number(word);
    return {
      letter: isOpen ? word.slice(1) : word,
      isOpen,
      fixed: Number.isNaN(fixed) ? undefined : fixed,
    };
  });
  const pattern = {
    type,
    types: type === "any" ? undefined : type.split("|"),
    axes,
    least: axes.filter(({ isOpen }) => !isOpen).length,
  };
  if (patternsSeen.size >= MOST_SEEN) patternsSeen.clear();
  patternsSeen.set(text, pattern);
  return pattern;
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
  { axes, least }: Pattern,
  shape: readonly number[],
  lengths: Record<string, number>,
  open: Open,
): boolean {
  if (shape.length < least) return false;
  let at = 0;
  for (const { letter, isOpen, fixed } of axes) {
    if (isOpen) {
      const end = at + shape.length - least;
      if (!matchOpen(letter, shape, at, end, lengths, open)) return false;
      at = end;
    } else {
      const length = fixed ?? (lengths[letter] ??= shape[at]);
      if (shape[at++] !== length) return false;
    }
  }
  return at === shape.length;
}

/** The same for axes `from` … `to` − 1, which "…" stands for. */
function matchOpen(
  letter: string,
  shape: readonly number[],
  from: number,
  to: number,
  lengths: Record<string, number>,
  open: Open,
): boolean {
  const known = open.get(letter);
  if (!known) {
    const axes = shape.slice(from, to);
    open.set(letter, axes);
    lengths[letter] = sizeOf(axes);
    return true;
  }
  if (known.length !== to - from) return false;
  for (let i = from; i < to; i++) if (known[i - from] !== shape[i]) return false;
  return true;
}

/** How an axis reads in a message: its length where it is known. */
function axisText(
  { letter, isOpen, fixed }: Axis,
  lengths: Readonly<Record<string, number>>,
  open: ReadonlyMap<string, readonly number[]>,
): string {
  if (!isOpen) return String(fixed ?? lengths[letter] ?? letter);
  return open.get(letter)?.join(", ") ?? `…${letter}`;
}
