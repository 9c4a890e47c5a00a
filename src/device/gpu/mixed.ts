/**
 * Mixed precision: operations on f32 tensors whose products are of halves, on tensor cores, and summed
 * in f32. Everything else, and what the kernels for halves are not made for, stays f32.
 */

import type {
  Blocks,
  LandmarkAttentionGradients,
  LandmarkAttentionOptions,
  Tensor,
} from "../device.ts";
import { GpuBlocks } from "./blocks.ts";
import type { GpuHost } from "./host.ts";
import { landmarkAttention } from "./landmark_attention.ts";
import { landmarkAttentionBackward } from "./landmark_attention_backward.ts";
import { hasLandmarkHalf, landmarkAttentionHalf, takesHalf } from "./landmark_attention_half.ts";
import { landmarkAttentionHalfBackward } from "./landmark_attention_half_backward.ts";
import { matmul, type MatmulOptions } from "./matmul.ts";
import { matmulHalf } from "./matmul_half.ts";
import { hasFours, toHalves } from "./to_halves.ts";

/** Numbers that kernels for halves read at once. */
const EIGHT = 8;
/** Below so many rows, columns and products it is not worth it to make halves of a and b. */
const LEAST_SIDE = 64;
const LEAST_PRODUCTS = 2 ** 22;

/** `matmul`, of a and b as halves. */
export function mixedMatmul(
  host: GpuHost,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  options: MatmulOptions = {},
): void {
  if (!takesProduct(host, a, b, options)) return matmul(host, a, b, out, options);
  using most = host.tensor([2], { dtype: "i32" });
  using halfA = toHalves(host, a, { most, slot: 0 });
  using halfB = toHalves(host, b, { most, slot: 1 });
  matmulHalf(host, halfA, halfB, out, { ...options, most });
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
  host: GpuHost,
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
  using halfQ = toHalves(host, q);
  using halfK = toHalves(host, k);
  using halfV = toHalves(host, v);
  landmarkAttentionHalf(host, halfQ, halfK, halfV, blocks, out, top, options);
}

/** `landmarkAttentionBackward`, of q, k, v and dOut as halves. */
export function mixedLandmarkAttentionBackward(
  host: GpuHost,
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
  using most = host.tensor([1], { dtype: "i32" });
  using halfQ = toHalves(host, q);
  using halfK = toHalves(host, k);
  using halfV = toHalves(host, v);
  using halfOut = toHalves(host, dOut, { most, slot: 0 });
  landmarkAttentionHalfBackward(
    ...[host, halfQ, halfK, halfV, blocks, out, top, halfOut, gradients, {
      ...options,
      most,
    }] as const,
  );
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
