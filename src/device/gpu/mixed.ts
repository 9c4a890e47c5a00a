/**
 * Mixed precision: operations on f32 tensors whose products are of halves, on tensor cores, and summed
 * in f32. Everything else, and what the kernels for halves are not made for, stays f32. A tensor's
 * halves are made once for all operations that it takes part in until it is written again.
 */

import type {
  Blocks,
  LandmarkAttentionGradients,
  LandmarkAttentionOptions,
  Tensor,
} from "../device.ts";
import { GpuBlocks } from "./blocks.ts";
import type { WholeHost } from "./gpu_host.ts";
import type { GpuHost } from "./host.ts";
import { landmarkAttention } from "./landmark_attention.ts";
import { landmarkAttentionBackward } from "./landmark_attention_backward.ts";
import { hasLandmarkHalf, landmarkAttentionHalf, takesHalf } from "./landmark_attention_half.ts";
import { landmarkAttentionHalfBackward } from "./landmark_attention_half_backward.ts";
import { matmul, type MatmulOptions } from "./matmul.ts";
import { matmulHalf } from "./matmul_half.ts";
import { type Halves, hasFours, toHalves } from "./to_halves.ts";
import { reshape } from "./transfer.ts";

/** Numbers that kernels for halves read at once. */
const EIGHT = 8;
/** Below so many rows, columns and products it is not worth it to make halves of a and b. */
const LEAST_SIDE = 64;
const LEAST_PRODUCTS = 2 ** 22;

/** `matmul`, of a and b as halves. */
export function mixedMatmul(
  host: WholeHost,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  options: MatmulOptions = {},
): void {
  if (!takesProduct(host, a, b, options)) return matmul(host, a, b, out, options);
  using halfA = scaledHalves(host, a);
  using halfB = scaledHalves(host, b);
  const most = { a: halfA.most, b: halfB.most };
  matmulHalf(host, halfA.numbers, halfB.numbers, out, { ...options, most });
}

/** Whether rows are whole eights, and enough of them; shapes that do not fit are left to matmul. */
function takesProduct(
  host: GpuHost,
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false }: MatmulOptions,
): boolean {
  if (a.shape.length !== 2 || b.shape.length !== 2 || a.dtype !== "f32" || b.dtype !== "f32") {
    return false;
  }
  const [m, k] = transposeA ? a.shape.toReversed() : a.shape;
  const n = b.shape[transposeB ? 0 : 1];
  return a.shape[1] % EIGHT === 0 && b.shape[1] % EIGHT === 0 && Math.min(m, n) >= LEAST_SIDE &&
    m * n * k >= LEAST_PRODUCTS && hasFours(host, a) && hasFours(host, b);
}

/** `landmarkAttention`, of q, k and v as halves. */
export function mixedLandmarkAttention(
  host: WholeHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  out: Tensor,
  top: Tensor,
  options: LandmarkAttentionOptions = {},
): void {
  if (!takesAttention(host, [q, k, v], blocks, options)) {
    return landmarkAttention(host, q, k, v, blocks, out, top, options);
  }
  using halfQ = halves(host, q);
  using halfK = halves(host, k);
  using halfV = halves(host, v);
  landmarkAttentionHalf(
    ...[host, halfQ.numbers, halfK.numbers, halfV.numbers, blocks, out, top, options] as const,
  );
}

/** `landmarkAttentionBackward`, of q, k, v and dOut as halves. */
export function mixedLandmarkAttentionBackward(
  host: WholeHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  out: Tensor,
  top: Tensor,
  dOut: Tensor,
  gradients: LandmarkAttentionGradients,
  options: LandmarkAttentionOptions = {},
): void {
  if (!takesAttention(host, [q, k, v, dOut], blocks, options)) {
    return landmarkAttentionBackward(
      ...[host, q, k, v, blocks, out, top, dOut, gradients, options] as const,
    );
  }
  using halfQ = halves(host, q);
  using halfK = halves(host, k);
  using halfV = halves(host, v);
  using halfOut = scaledHalves(host, dOut);
  landmarkAttentionHalfBackward(
    ...[host, halfQ.numbers, halfK.numbers, halfV.numbers, blocks, out, top] as const,
    ...[halfOut.numbers, gradients, { ...options, most: halfOut.most }] as const,
  );
}

/** The halves of x, as they are. */
function halves(host: WholeHost, x: Tensor): Halves {
  return halvesOf(host, x, false);
}

/** The halves of x, times a power of two that makes room for small numbers. */
function scaledHalves(host: WholeHost, x: Tensor): Halves {
  return halvesOf(host, x, true);
}

function halvesOf(host: WholeHost, x: Tensor, scaled: boolean): Halves {
  const name = scaled ? "scaled halves" : "halves";
  const held = host.derived(x, name, () => toHalves(host, x, { scaled }));
  const { numbers, most } = held.resource;
  const release = () => held[Symbol.dispose]();
  return { numbers: reshape(host, numbers, x.shape), most, [Symbol.dispose]: release };
}

function takesAttention(
  host: GpuHost,
  tensors: readonly Tensor[],
  blocks: Blocks,
  { foreign }: LandmarkAttentionOptions,
): boolean {
  const [q, k] = tensors;
  if (foreign || !(blocks instanceof GpuBlocks) || blocks.freed) return false;
  if (!tensors.every(({ shape, dtype }) => shape.length === 4 && dtype === "f32")) return false;
  const [B, T, H, D] = q.shape;
  const [, S, G] = k.shape;
  return hasLandmarkHalf(host, D) && takesHalf(blocks, { B, T, S, H, G, D }) &&
    levelsFit(host, blocks, { B, T, S, H }) && tensors.every((tensor) => hasFours(host, tensor));
}

/** The levels of the backward pass are one tensor. */
function levelsFit(
  { limits }: GpuHost,
  { regular }: GpuBlocks,
  { B, T, S, H }: Record<"B" | "T" | "S" | "H", number>,
): boolean {
  return 8 * B * H * (Math.ceil(S / regular) + 1) * T <= limits.tensorBytes;
}
