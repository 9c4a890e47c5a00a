import cells from "../../../wgsl/landmark_attention_half_cells.wgsl" with { type: "text" };
import columns from "../../../wgsl/landmark_attention_half_columns.wgsl" with { type: "text" };
import eights from "../../../wgsl/landmark_attention_half_eights.wgsl" with { type: "text" };
import factor from "../../../wgsl/half_factor.wgsl" with { type: "text" };
import keysSource from "../../../wgsl/landmark_attention_half_keys.wgsl" with { type: "text" };
import levelsSource from "../../../wgsl/landmark_attention_half_levels.wgsl" with { type: "text" };
import pieces from "../../../wgsl/landmark_attention_half_pieces.wgsl" with { type: "text" };
import prepareSource from "../../../wgsl/landmark_attention_half_prepare.wgsl" with {
  type: "text",
};
import queriesSource from "../../../wgsl/landmark_attention_half_queries.wgsl" with {
  type: "text",
};
import rows from "../../../wgsl/landmark_attention_half_rows.wgsl" with { type: "text" };
import slopes from "../../../wgsl/landmark_attention_half_slopes.wgsl" with { type: "text" };
import words from "../../../wgsl/landmark_attention_half_words.wgsl" with { type: "text" };
import type { Blocks, LandmarkAttentionGradients, Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import { add } from "./add.ts";
import { checkBlocks } from "./blocks.ts";
import { float, type GpuHost, spread } from "./host.ts";
import {
  checkHalf,
  constantsOf,
  type HalfVariant,
  heldBy,
  variantFor,
} from "./landmark_attention_half.ts";
import type { Constants } from "./kernel.ts";
import { TENSOR_CORES } from "./matmul_half.ts";

const prepare = { name: "landmark_attention_half_prepare", source: prepareSource };
const common = cells + factor + pieces;
const queriesKernels = byWords("queries", common + rows + levelsSource + slopes + queriesSource);
const keysKernels = byWords("keys", common + columns + keysSource);

function byWords(name: string, source: string) {
  const kernel = (read: string) => ({
    name: `landmark_attention_half_${name}`,
    source: read + source,
  });
  return { 1: kernel(words), 4: kernel(eights) };
}

const SHAPES = {
  q: "f16 B T H D",
  k: "f16 B S G D",
  v: "f16 B S G D",
  out: "f32 B T H D",
  top: "f32 B T H",
  dOut: "f16 B T H D",
  dQ: "f32 B T H D",
  dK: "f32 B S G D",
  dV: "f32 B S G D",
} as const;

/** Queries that a subgroup of the pass over keys has at once, and keys. */
const SEEN = 32;
const SUBGROUP_KEYS = 16;
/** Queries that a workgroup prepares. */
const PREPARED = 16;

/** How the pass over keys is written. */
export interface KeysVariant {
  /** Subgroups of a workgroup, of 16 keys each: 2 or 4. */
  readonly subgroups: 2 | 4;
  readonly words: 1 | 4;
  readonly ahead: boolean;
  /** Workgroups that share the columns of D: 1, or 2 from a width of 64 on. */
  readonly parts: 1 | 2;
}

/** Options of {@linkcode landmarkAttentionHalfBackward}. */
export interface HalfBackwardOptions {
  scale?: number;
  variant?: HalfVariant;
  keysVariant?: KeysVariant;
  /** What dOut was multiplied by, as `toHalves` leaves it: i32 [1]. @default {nothing} */
  most?: Tensor | undefined;
}

/** The pass over keys where a caller has no wishes: what was the fastest on an H100. */
export const CHOSEN_KEYS: KeysVariant = { subgroups: 4, words: 4, ahead: false, parts: 1 };

/** Adds the gradients of `landmarkAttentionHalf`; wgsl/landmark_attention_half_*.wgsl. */
export function landmarkAttentionHalfBackward(
  host: GpuHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  out: Tensor,
  top: Tensor,
  dOut: Tensor,
  { q: dQ, k: dK, v: dV }: LandmarkAttentionGradients,
  options: HalfBackwardOptions = {},
): void {
  const operation = "landmarkAttentionHalfBackward";
  const shape = matchShapes(operation, SHAPES, { q, k, v, out, top, dOut, dQ, dK, dV });
  const { B, T, S, H, G, D } = shape;
  const { regular: M } = checkBlocks(operation, host, blocks, shape);
  const {
    variant = variantFor("queries", host, { regular: M }, shape),
    keysVariant = CHOSEN_KEYS,
  } = options;
  checkHalf(operation, host, { regular: M }, shape, variant, { q, k, v, dOut });
  const N = Math.ceil(S / M);
  using nothing = host.tensor([1], { dtype: "i32" });
  const most = options.most ?? nothing;
  using levels = host.tensor([B, H, N + 1, T, 2], { zero: false });
  host.run(prepare, {
    tensors: [out, dOut, top, levels],
    params: [B, T, H, N],
    constants: { enable: "f16", D },
    groups: spread(host, Math.ceil(B * T * H / PREPARED)),
  });
  const params = [B, T, S, H, G, N, float(options.scale ?? 1 / Math.sqrt(D))];
  host.run(queriesKernels[variant.words], {
    tensors: [q, k, v, dOut, levels, dQ, most],
    params,
    constants: constantsOf(D, M, variant),
    groups: spread(host, T / (variant.subgroups * variant.rows) * B * H),
  });
  const toKeys = (dV: Tensor): void =>
    host.run(keysKernels[keysVariant.words], {
      tensors: [q, k, v, dOut, levels, dK, dV, most],
      params,
      constants: keysConstants(D, M, keysVariant),
      groups: [S / (keysVariant.subgroups * SUBGROUP_KEYS), G * B, partsOf(D, keysVariant.parts)],
    });
  if (!host.shares(dK, dV)) return toKeys(dV);
  // A kernel may not bind a buffer twice to write.
  using apart = host.tensor(dV.shape);
  toKeys(apart);
  add(host, dV, apart, dV);
}

function keysConstants(
  D: number,
  M: number,
  { subgroups, words, ahead, parts }: KeysVariant,
): Constants {
  return {
    enable: TENSOR_CORES,
    D,
    M,
    SUBGROUPS: subgroups,
    WORDS: words,
    AHEAD: Number(ahead && heldBy(subgroups, SEEN, D)),
    // A workgroup makes at least 32 columns.
    PARTS: partsOf(D, parts),
  };
}

function partsOf(D: number, parts: number): number {
  return D < 64 ? 1 : parts;
}

/** Workgroup memory of the pass over keys. */
export function keysBytes(D: number, { subgroups }: KeysVariant): number {
  const weights = 2 * SUBGROUP_KEYS * (SEEN + 8);
  const scores = 2 * SUBGROUP_KEYS * (SEEN + 4);
  return 2 * (2 * SEEN * (D + 8) + subgroups * weights) + 4 * subgroups * scores;
}
