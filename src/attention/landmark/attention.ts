import type { BlockPlan, Device, Tensor } from "../../device/device.ts";
import { regularLandmarks } from "./regular_landmarks.ts";

/** Shapes and masks of {@linkcode landmarkAttention}. */
export interface LandmarkAttentionShape {
  /** H, query heads. */
  heads: number;
  /** D, the size of a head. */
  headDim: number;
  /** G, key/value heads; must divide `heads`. @default {heads} */
  kvHeads?: number;
  /** B, batch rows. @default {1} */
  rows?: number;
  /** M: every M-th key is a landmark. Either this or `plan`. */
  blockSize?: number;
  /** Landmarks anywhere, documents, padding. */
  plan?: BlockPlan;
  /** Multiplies q·k. @default {1/√D} */
  scale?: number;
}

/** What {@linkcode landmarkAttention} gives; it holds device memory until it is disposed. */
export interface LandmarkAttentionResult extends Disposable {
  /** f32 [B, T, H, D]. */
  readonly out: Float32Array;
  /** The gradients of q, k and v for a gradient of `out`, f32 [B, T, H, D]. */
  backward(
    outGradient: Float32Array,
  ): Promise<{ q: Float32Array; k: Float32Array; v: Float32Array }>;
}

/**
 * Landmark attention on your own numbers (Mohtashami & Jaggi, arXiv 2305.16300): causal, fused,
 * memory linear in the number of keys. Position must be applied already.
 *
 * @example Usage
 * ```ts
 * import { landmarkAttention, openDevice } from "@cairn/runtime";
 * import { equal } from "node:assert/strict";
 *
 * using device = await openDevice();
 * const [tokens, heads, headDim] = [128, 2, 32];
 * const numbers = () => Float32Array.from({ length: tokens * heads * headDim }, Math.random);
 * const shape = { heads, headDim, blockSize: 16 };
 * using result = await landmarkAttention(device, numbers(), numbers(), numbers(), shape);
 * const gradients = await result.backward(numbers());
 * equal(gradients.q.length, result.out.length);
 * ```
 *
 * @param device Where to compute.
 * @param q f32 [B, T, H, D]: the queries are the last T of the S keys.
 * @param k f32 [B, S, G, D].
 * @param v f32 [B, S, G, D].
 * @param shape Heads, batch rows and where the landmarks are.
 * @throws {RangeError} If the lengths do not fit the shape, or the plan does not fit the keys.
 */
export async function landmarkAttention(
  device: Device,
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  shape: LandmarkAttentionShape,
): Promise<LandmarkAttentionResult> {
  const { heads, headDim, kvHeads = heads, rows = 1, scale } = shape;
  const T = tokensOf("q", q, [rows, heads, headDim]);
  const S = tokensOf("k", k, [rows, kvHeads, headDim]);
  using stack = new DisposableStack();
  const tensor = (shape: number[], data?: Float32Array): Tensor =>
    stack.use(device.tensor(shape, data && { data }));
  const queryShape = [rows, T, heads, headDim];
  const keyShape = [rows, S, kvHeads, headDim];
  tokensOf("v", v, [rows, kvHeads, headDim], S);
  const [qs, ks, vs] = [tensor(queryShape, q), tensor(keyShape, k), tensor(keyShape, v)];
  const [out, top] = [tensor(queryShape), tensor(queryShape.slice(0, 3))];
  const blocks = stack.use(device.blocks(planOf(shape, S), rows, S));
  const options = scale === undefined ? {} : { scale };
  device.landmarkAttention(qs, ks, vs, blocks, out, top, options);
  const result = await numbersOf(device, out);

  const owned = stack.move();
  return {
    out: result,
    async backward(outGradient) {
      tokensOf("outGradient", outGradient, [rows, heads, headDim], T);
      using dOut = device.tensor(queryShape, { data: outGradient });
      using dQ = device.tensor(queryShape);
      using dK = device.tensor(keyShape);
      using dV = device.tensor(keyShape);
      const gradients = { q: dQ, k: dK, v: dV };
      device.landmarkAttentionBackward(qs, ks, vs, blocks, out, top, dOut, gradients, options);
      return {
        q: await numbersOf(device, dQ),
        k: await numbersOf(device, dK),
        v: await numbersOf(device, dV),
      };
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
}

function planOf({ blockSize, plan }: LandmarkAttentionShape, keys: number): BlockPlan {
  if (plan !== undefined && blockSize === undefined) return plan;
  if (plan !== undefined || blockSize === undefined) {
    throw new TypeError(`Cannot attend as there must be either a blockSize or a plan`);
  }
  if (!Number.isInteger(blockSize) || blockSize < 2) {
    throw new RangeError(
      `Cannot attend as blockSize must be an integer of at least 2: current value is ${blockSize}`,
    );
  }
  return { isLandmark: regularLandmarks(keys, blockSize) };
}

/** How many tokens numbers of shape [B, tokens, heads, D] hold. */
function tokensOf(
  name: string,
  numbers: Float32Array,
  shape: readonly [rows: number, heads: number, headDim: number],
  expected?: number,
): number {
  const [rows, heads, headDim] = shape;
  const tokens = numbers.length / (rows * heads * headDim);
  if (!Number.isInteger(tokens) || tokens < 1 || (expected ?? tokens) !== tokens) {
    throw new RangeError(
      `Cannot attend as ${name} must have the shape [${rows}, ${expected ?? "tokens"}, ` +
        `${heads}, ${headDim}]: current length is ${numbers.length}`,
    );
  }
  return tokens;
}

async function numbersOf(device: Device, tensor: Tensor): Promise<Float32Array> {
  return Float32Array.from(await device.read(tensor) as Float32Array);
}
