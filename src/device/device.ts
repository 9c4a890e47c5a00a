/**
 * What every device can do: hold tensors, and run the operations the models are made of.
 *
 * A device is not a graph, an autograd engine or an allocator policy: it runs what it is told, in
 * the order it is told. Operations enqueue and return at once; only {@linkcode Device.read} waits.
 * Each operation has one name, the same in `reference/` (plain f64 loops, the specification), in
 * `asm/` and in `wgsl/`.
 *
 * Letters of the shapes: B batch rows, T query tokens, S visible keys, H heads, G key/value heads
 * (G divides H), D head size, C = H·D, F mlp width, V vocabulary, N remembered blocks, M tokens a
 * block (its landmark, the last one, included), K blocks read. Row-major, last axis fastest.
 *
 * Conventions: inputs first, then outputs, then options. An operation whose name ends in
 * `Backward` *adds* to its gradient outputs; every other one overwrites its output. Shapes are
 * checked here, at the door of the device, and a wrong one is a `RangeError` with both shapes.
 */

import type { InfiniOperations } from "./infini.ts";

export type { InfiniGradients, InfiniOperations, InfiniOptions, InfiniUpdate } from "./infini.ts";
import type { SampleOptions } from "./sampling.ts";
import type { WindowOperations } from "./window.ts";

export type { SampleOptions, SamplingOptions } from "./sampling.ts";

export type {
  RelativePositions,
  WindowGradients,
  WindowOperations,
  WindowOptions,
} from "./window.ts";

/** Element types. On the reference device `f32` is kept in f64. `f16` is storage only. */
export type DType = "f32" | "f16" | "i32";

/** Numbers on a device, freed at the end of its scope. */
export interface Tensor extends Disposable {
  /** How a number is kept. */
  readonly dtype: DType;
  /** Lengths of the axes, the last one fastest. */
  readonly shape: readonly number[];
}

/** How many numbers a shape holds. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (const length of shape) size *= length;
  return size;
}

/** What the caller writes to a tensor: converted to the tensor's type. */
export type Numbers = Float32Array | Float64Array | Int32Array | readonly number[];

/**
 * Which keys a query can see: where landmarks stand, and what is masked. The queries are the last
 * T of the S keys. Every field but `isLandmark` is optional; each holds either one row for the
 * whole batch ([S]) or a row for each batch row ([B, S]).
 */
export interface BlockPlan {
  /** 1 where a key is a landmark, and so ends a block. */
  isLandmark: Uint8Array;
  /** Which document a key belongs to; a document is contiguous, and its start begins a block. */
  document?: Int32Array;
  /** 0 where a key is padding. */
  present?: Uint8Array;
}

/** A {@linkcode BlockPlan} made ready by a device for B rows of S keys. */
export interface Blocks extends Disposable {
  /** B. */
  readonly rows: number;
  /** S. */
  readonly keys: number;
}

/** Foreign blocks (training's negatives): one landmark key and one value each. */
export interface Foreign {
  /** f32 [N, G, D], already rotated. */
  keys: Tensor;
  /** f32 [N, G, D]. */
  values: Tensor;
  /** i32 [B, n]: which pool entries a batch row sees; −1 is none. */
  index: Tensor;
  /** How many blocks each stands for, above 0: its logarithm is added to scores. @default {1} */
  weight?: number | undefined;
}

/** Options of {@linkcode Device.landmarkAttention}. */
export interface LandmarkAttentionOptions {
  /** Multiplies q·k. @default {1/√D} */
  scale?: number;
  /** What each row sees beside its own keys. @default {none} */
  foreign?: Foreign | undefined;
}

/** Where {@linkcode Device.landmarkAttentionBackward} adds its gradients. */
export interface LandmarkAttentionGradients {
  /** f32 [B, T, H, D]. */
  q: Tensor;
  /** f32 [B, S, G, D]. */
  k: Tensor;
  /** f32 [B, S, G, D]. */
  v: Tensor;
  /** Needed when the forward pass had foreign blocks: f32 [N, G, D] each. */
  foreign?: { keys: Tensor; values: Tensor } | undefined;
}

/** How `chooseBlocks` shares its choice; spec in docs/reading.md. */
export type Granularity = "token" | "chunk" | "heads";

/** What a reading step attends to beside its own section. */
export interface Chosen {
  /** A pool made by {@linkcode Device.blockPool}. */
  pool: Tensor;
  /** i32 [T|1, H, k]: pool entries, by time. An entry belongs to one layer and key/value head. */
  entries: Tensor;
  /** i32 [T|1, H, k]: the slot each stands in, 0 … Z−1; the same shape as `entries`. */
  slots: Tensor;
}

/** Options of {@linkcode Device.placeBlocks}. */
export interface PlaceOptions {
  /** Whose pieces are read: piece layer · G + head. */
  layer: number;
  /** G. */
  kvHeads: number;
  /** Pieces a block: layers · G. */
  pieces: number;
  /** K: slots are 0 … K. */
  topBlocks: number;
}

/** AdamW, one step of one parameter (Loshchilov & Hutter, arXiv 1711.05101). */
export interface AdamWOptions {
  /** The learning rate. */
  rate: number;
  /** Decay of the mean of gradients. */
  beta1: number;
  /** Decay of the mean of their squares. */
  beta2: number;
  /** Added to the root of that mean. */
  epsilon: number;
  /** Decoupled: weight −= rate · decay · weight. */
  decay: number;
  /** Counts from 1. */
  step: number;
  /** Multiplies the gradient before anything else (1 / accumulated micro-batches). */
  scale: number;
  /** The gradient is scaled by min(1, clip / (scale · √norm)); Infinity does not clip. */
  clip: number;
}

/** What `cairn devices` says about a device. */
export interface DeviceInfo {
  /** What it runs on. */
  readonly kind: "cpu" | "gpu" | "reference";
  /** For people: the build or adapter that was taken. */
  readonly name: string;
  /** How many threads compute, the caller's included. */
  readonly threads: number;
  /** Whether reading back takes long beside an operation, so that choices had better stay there. */
  readonly remote: boolean;
  /** Bytes of the largest tensor that it can hold, where memory is not short. */
  readonly tensorBytes: number;
  /** Further facts: builds available, limits, features. */
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** A place where tensors live and operations run. */
export interface Device extends Disposable, InfiniOperations, WindowOperations {
  /** What was taken. */
  readonly info: DeviceInfo;
  /** Bytes that tensors and pools hold now. */
  readonly bytes: number;

  /**
   * A new tensor, zero unless `data` is given; `zero: false` may leave what was there, for one that
   * is written whole before it is read. @throws {RangeError} If memory is short.
   */
  tensor(
    shape: readonly number[],
    options?: { dtype?: DType; data?: Numbers; zero?: boolean },
  ): Tensor;
  /** A window on `count` rows of the first axis from row `at`; it shares memory, and need not be freed. */
  view(tensor: Tensor, at: number, count: number): Tensor;
  /** The same numbers under another shape of the same size; shares memory. */
  reshape(tensor: Tensor, shape: readonly number[]): Tensor;
  /** Writes numbers from element `at` on. For f16 tensors the data are the 16-bit patterns (Uint16Array). */
  write(tensor: Tensor, data: Numbers | Uint16Array, at?: number): void;
  /** Reads a tensor: Float32Array (Float64Array on the reference device), Int32Array or, for f16, Uint16Array. */
  read(tensor: Tensor): Promise<Float32Array | Float64Array | Int32Array | Uint16Array>;
  /** Every number of the tensor becomes `value`. */
  fill(tensor: Tensor, value: number): void;
  /** out = x; same size, same dtype. */
  copy(x: Tensor, out: Tensor): void;

  /** out [m, n] = a [m, k] · b [k, n]; transposed inputs are [k, m] and [n, k]. */
  matmul(
    a: Tensor,
    b: Tensor,
    out: Tensor,
    options?: { transposeA?: boolean; transposeB?: boolean; accumulate?: boolean },
  ): void;
  /** out = a + b; out may be either. */
  add(a: Tensor, b: Tensor, out: Tensor): void;
  /** out [n, …] = x [R, …] at the given rows, i32 [n]. The embedding, among others. */
  gather(x: Tensor, rows: Tensor, out: Tensor): void;
  /** dX[rows[i]] += dOut[i], in the order of i. */
  gatherBackward(dOut: Tensor, rows: Tensor, dX: Tensor): void;
  /** out [n, …] = the mean of x's rows first[i] … first[i] + count − 1; first is i32 [n]. */
  meanRows(x: Tensor, first: Tensor, out: Tensor, options: { count: number }): void;
  /** Adds 1/count of dOut[i] to every row that out[i] is the mean of. */
  meanRowsBackward(dOut: Tensor, first: Tensor, dX: Tensor, options: { count: number }): void;
  /** out [T, C] = x / √(mean(x²) + epsilon) · weight [C] (Zhang & Sennrich, arXiv 1910.07467). */
  rmsNorm(x: Tensor, weight: Tensor, out: Tensor, options: { epsilon: number }): void;
  /** The gradients of `rmsNorm`. */
  rmsNormBackward(
    x: Tensor,
    weight: Tensor,
    dOut: Tensor,
    dX: Tensor,
    dWeight: Tensor,
    options: { epsilon: number },
  ): void;
  /**
   * Rotary positions, half-split: with (c, s) = rotations[positions[t], i], the pair
   * (x_i, x_{i+D/2}) becomes (x_i·c − x_{i+D/2}·s, x_{i+D/2}·c + x_i·s) (Su et al., arXiv 2104.09864).
   * x and out f32 [T, …, D] (out may be x), positions i32 [T], rotations f32 [P, D/2, 2].
   * `inverse` turns the other way, which is also the backward pass; `accumulate` adds to out.
   */
  rope(
    x: Tensor,
    positions: Tensor,
    rotations: Tensor,
    out: Tensor,
    options?: { inverse?: boolean; accumulate?: boolean },
  ): void;
  /** out [T, F] = silu(gate) · up (Shazeer, arXiv 2002.05202). */
  swiGlu(gate: Tensor, up: Tensor, out: Tensor): void;
  /** The gradients of `swiGlu`. */
  swiGluBackward(gate: Tensor, up: Tensor, dOut: Tensor, dGate: Tensor, dUp: Tensor): void;
  /**
   * losses [T] = weights · −log softmax(logits [T, V])[target]; targets i32 [T], −1: none, loss 0;
   * weights f32 [T].
   */
  crossEntropy(logits: Tensor, targets: Tensor, weights: Tensor, losses: Tensor): void;
  /** dLogits += scale · weights · (softmax(logits) − onehot(target)). */
  crossEntropyBackward(
    logits: Tensor,
    targets: Tensor,
    weights: Tensor,
    dLogits: Tensor,
    options: { scale: number },
  ): void;
  /**
   * Takes a token of each row of logits [T, V], as `sample` of the session does on the host: ids i32
   * [T]. Temperature comes first, then the k likeliest are kept, then of these the fewest that hold
   * the share p; ties go to the lower id. The token is the first one whose weight, and those before
   * it, by logit or, where none was left out, by id, are more than the share `uniforms[t]` of all.
   * `forbidden` i32 [⌈V/32⌉] has a bit for each id. −1 stands for no token: a logit is NaN or +∞, or
   * all are forbidden.
   */
  sample(logits: Tensor, forbidden: Tensor, ids: Tensor, options: SampleOptions): void;
  /** out [1] += Σ x², in an order that does not depend on the number of threads. */
  sumSquares(x: Tensor, out: Tensor): void;
  /** One step in place; `norm` [1] is the sum of squares of all gradients, before `scale`. */
  adamW(
    weight: Tensor,
    gradient: Tensor,
    mean: Tensor,
    variance: Tensor,
    norm: Tensor,
    options: AdamWOptions,
  ): void;

  /** Makes a plan ready for `rows` batch rows of `keys` keys. @throws {RangeError} On a plan that fits neither. */
  blocks(plan: BlockPlan, rows: number, keys: number): Blocks;
  /**
   * Landmark attention (Mohtashami & Jaggi, arXiv 2305.16300), fused: q and out f32 [B, T, H, D],
   * k and v f32 [B, S, G, D], position already applied; the queries are the last T keys.
   * `top` f32 [B, T, H] receives the log-sum-exp of every query's top group (what backward needs).
   * A query that sees no key gives zero.
   */
  landmarkAttention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    blocks: Blocks,
    out: Tensor,
    top: Tensor,
    options?: LandmarkAttentionOptions,
  ): void;
  /** The gradients of `landmarkAttention`, from what it put into `out` and `top`. */
  landmarkAttentionBackward(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    blocks: Blocks,
    out: Tensor,
    top: Tensor,
    dOut: Tensor,
    gradients: LandmarkAttentionGradients,
    options?: LandmarkAttentionOptions,
  ): void;

  /**
   * Cuts whole blocks of a section into stored pieces: k and v f32 [S, G, D], S a multiple of M,
   * out f32 or f16 [S/M, G, 2, M, D]: keys, then values, of one key/value head.
   */
  sealBlocks(k: Tensor, v: Tensor, out: Tensor): void;
  /** A pool for `capacity` pieces; how one is laid out inside is the device's own affair. */
  blockPool(
    capacity: number,
    shape: { blockSize: number; headDim: number; storage?: "f32" | "f16" },
  ): Tensor;
  /** Puts stored pieces [n, 2, M, D] (f32 or f16) into pool entries, i32 [n]. */
  loadBlocks(pieces: Tensor, pool: Tensor, entries: Tensor): void;
  /**
   * scores [T, H, n] = scale · queries · landmark of each remembered block, oldest first.
   * queries f32 [T, Z, H, D], Z = K + 1: the query as seen from slot 0 … K. Block j is scored from
   * slot 0, the last K ones (j ≥ n − K) from slot j − (n − K) + 1. `landmarks` are segments
   * f32 [P, G, D] of one layer; `order` i32 [n] gives the row of block j in their concatenation.
   */
  landmarkScores(
    queries: Tensor,
    landmarks: readonly Tensor[],
    order: Tensor,
    scores: Tensor,
    options?: { scale?: number },
  ): void;
  /**
   * The k best blocks, by time: `token`: chosen i32 [T, H, k] by logit; `chunk`: [1, H, k] by
   * max over t of the softmax over blocks; `heads`: [T, 1, k] by max over h of the same. Ties go
   * to the later block. 1 ≤ k ≤ n.
   */
  chooseBlocks(scores: Tensor, chosen: Tensor, options: { by: Granularity }): void;
  /**
   * Where chosen blocks lie in a pool that holds every piece, at entry slot · pieces + piece.
   * chosen i32 [T|1, H|1, k]: places in `order` i32 [n], the blocks' slots by time. entries and slots
   * i32 [T|1, H, k] are what `memoryAttention` takes, the r-th block of a row standing in slot
   * r + K − k, one further if it is among the last k.
   */
  placeBlocks(
    chosen: Tensor,
    order: Tensor,
    entries: Tensor,
    slots: Tensor,
    options: PlaceOptions,
  ): void;
  /**
   * Reading: every query attends to its section as `landmarkAttention` does, and to its chosen
   * blocks, each an earlier block with its landmark for a gate.
   * queries f32 [T, Z, H, D] as in landmarkScores; q f32 [T, H, D], k and v f32 [S, G, D]: the
   * section, position applied, of which the queries are the last T; blocks: its plan, one row.
   * A pool entry's keys are rotated at 0 … M − 1, so that slot s is seen by queries[:, s].
   */
  memoryAttention(
    queries: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    blocks: Blocks,
    chosen: Chosen | undefined,
    out: Tensor,
    options?: { scale?: number },
  ): void;
}
