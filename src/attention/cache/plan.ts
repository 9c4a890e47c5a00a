import type { RelativePositions, Tensor, WindowOptions } from "../../device/device.ts";
import type { Ops } from "../../device/ops.ts";
import type { HeadShape } from "../../memory/head_shape.ts";
import type { LayerInput } from "../mechanism.ts";

/** What a mechanism with a cache of recent tokens needs to know beside the heads. */
export interface CacheOptions {
  /** Tokens that go through the layers at once. */
  readonly window: number;
  /** Tokens before a window that it looks back to. */
  readonly cache: number;
  /** Those of Transformer-XL, or rotary ones, which turn the cache anew for each window. */
  readonly positions: "relative" | "rope";
  /** A distance beyond it counts as it; of relative positions alone. */
  readonly clamp: number;
  /** Every token sees as many: itself and those of a cache. */
  readonly sameLength: boolean;
}

/** The same with the heads. */
export interface CachePlan extends CacheOptions {
  readonly heads: HeadShape & { readonly width: number };
}

/** The layer's projection of distances, and u and w, which all layers share. */
export const DISTANCES = "r_proj.weight";
export const CONTENT_BIAS = "content_bias";
export const POSITION_BIAS = "position_bias";

/** Rows of distances that queries of a window can meet: 0 … P − 1. */
export function distancesOf({ window, cache, clamp }: CacheOptions): number {
  return Math.min(window + cache, clamp + 1);
}

/**
 * The sinusoids of Transformer-XL: row of distance d holds sin(d·f_i), then cos(d·f_i), with
 * f_i = 10000^(−2i/C) (Vaswani et al., arXiv 1706.03762; Dai et al., arXiv 1901.02860).
 *
 * @returns f64 [count, width].
 */
export function sinusoids(count: number, width: number): Float64Array {
  const half = width / 2;
  const table = new Float64Array(count * width);
  for (let distance = 0; distance < count; distance++) {
    for (let i = 0; i < half; i++) {
      const angle = distance * 10_000 ** (-2 * i / width);
      table[distance * width + i] = Math.sin(angle);
      table[distance * width + half + i] = Math.cos(angle);
    }
  }
  return table;
}

/** A layer's distances [P, H, D], from the sinusoids [P, C]. */
export function projectDistances(
  ops: Ops,
  { heads: { heads, headDim } }: CachePlan,
  input: LayerInput,
  sinusoids: Tensor,
): Tensor {
  const flat = ops.linear(sinusoids, input.own(DISTANCES));
  return ops.reshape(flat, [sinusoids.shape[0], heads, headDim]);
}

/** The options of a layer's attention. */
export function attentionOptions(
  { cache, sameLength, positions }: CachePlan,
  input: LayerInput,
  distances: Tensor | undefined,
): WindowOptions {
  const relative: RelativePositions | undefined = positions === "relative"
    ? {
      distances: distances!,
      contentBias: input.own(CONTENT_BIAS),
      positionBias: input.own(POSITION_BIAS),
    }
    : undefined;
  return { ...(sameLength && { window: cache + 1 }), ...(relative && { relative }) };
}
