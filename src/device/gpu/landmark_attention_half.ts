import cells from "../../../wgsl/landmark_attention_half_cells.wgsl" with { type: "text" };
import eights from "../../../wgsl/landmark_attention_half_eights.wgsl" with { type: "text" };
import forward from "../../../wgsl/landmark_attention_half.wgsl" with { type: "text" };
import levels from "../../../wgsl/landmark_attention_half_levels.wgsl" with { type: "text" };
import pieces from "../../../wgsl/landmark_attention_half_pieces.wgsl" with { type: "text" };
import rows from "../../../wgsl/landmark_attention_half_rows.wgsl" with { type: "text" };
import words from "../../../wgsl/landmark_attention_half_words.wgsl" with { type: "text" };
import type { Blocks, Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import { checkBlocks, type GpuBlocks } from "./blocks.ts";
import { float, type GpuHost, spread } from "./host.ts";
import type { Constants } from "./kernel.ts";
import { hasTensorCores, TENSOR_CORES } from "./matmul_half.ts";

const name = "landmark_attention_half";
const common = cells + pieces + rows + levels + forward;
const KERNELS = { 1: { name, source: words + common }, 4: { name, source: eights + common } };

/** How kernels are written; what is fastest depends on the GPU. */
export interface HalfVariant {
  /** Subgroups of a workgroup: 2, 4 or 8. */
  readonly subgroups: number;
  /** Queries of a subgroup; 32 up to a width of 64. */
  readonly rows: 16 | 32;
  /** Whether scores of 32 keys are in workgroup memory at once, not 64; 32 rows always need it. */
  readonly split: boolean;
  /** Words that a thread reads at once. */
  readonly words: 1 | 4;
  /** Whether weights lie by key, and not by query. */
  readonly turned: boolean;
  /** Whether a tile is read while the one before is worked on, where threads can hold it. */
  readonly ahead: boolean;
}

/** Shapes of a call. */
export type HalfShape = Readonly<Record<"B" | "T" | "S" | "H" | "G" | "D", number>>;

/** Keys in a tile. */
const KEYS = 64;
const WIDTHS = [32, 64, 128];
const EIGHT = 8;

const SHAPES = {
  q: "f16 B T H D",
  k: "f16 B S G D",
  v: "f16 B S G D",
  out: "f32 B T H D",
  top: "f32 B T H",
} as const;

/**
 * What was the fastest of its width on an H100, which `bench/gpu.ts --parts half` measures, with
 * fewer subgroups where there is less workgroup memory or there are fewer queries.
 */
export function chosenVariant(
  pass: "forward" | "queries",
  D: number,
  suits: (variant: HalfVariant) => boolean = () => true,
): HalfVariant {
  const narrow = D <= 64;
  const most: HalfVariant = {
    subgroups: narrow ? 8 : 4,
    rows: 16,
    split: true,
    words: narrow && pass === "forward" ? 1 : 4,
    turned: !narrow && pass === "queries",
    ahead: narrow,
  };
  return suits(most) ? most : { ...most, subgroups: 4 };
}

/** The one for a call. */
export function variantFor(
  pass: "forward" | "queries",
  host: GpuHost,
  blocks: Pick<GpuBlocks, "regular">,
  shape: HalfShape,
): HalfVariant {
  const { D } = shape;
  return chosenVariant(
    pass,
    D,
    (variant) =>
      takesHalf(blocks, shape, variant) && forwardBytes(D, variant) <= host.limits.workgroupBytes,
  );
}

/** Whether the GPU has tensor cores with room for landmark attention of this width. */
export function hasLandmarkHalf(host: GpuHost, D = 64): boolean {
  const least = chosenVariant("forward", D, () => false);
  return WIDTHS.includes(D) && hasTensorCores(host, forwardBytes(D, least));
}

/**
 * Whether the kernels are made for a call: regular blocks of 16, 32 or a multiple of 64 keys, widths
 * of 32, 64 and 128, and whole tiles of queries and keys.
 */
export function takesHalf(
  { regular }: Pick<GpuBlocks, "regular">,
  { T, S, D }: HalfShape,
  { subgroups, rows }: HalfVariant = chosenVariant("forward", D, () => false),
): boolean {
  const queries = subgroups * rows;
  const fits = [16, 32].includes(regular) || regular > 0 && regular % KEYS === 0;
  return fits && WIDTHS.includes(D) && T > 0 && T % queries === 0 && S % KEYS === 0 &&
    (S - T) % queries === 0 && (regular <= KEYS || regular >= S || regular % queries === 0);
}

/** Landmark attention of halves, summed in f32 by tensor cores; wgsl/landmark_attention_half*.wgsl. */
export function landmarkAttentionHalf(
  host: GpuHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  out: Tensor,
  top: Tensor,
  { scale, variant }: { scale?: number; variant?: HalfVariant } = {},
): void {
  const operation = "landmarkAttentionHalf";
  const shape = matchShapes(operation, SHAPES, { q, k, v, out, top });
  const { B, T, S, H, G, D } = shape;
  const { regular } = checkBlocks(operation, host, blocks, shape);
  const way = variant ?? variantFor("forward", host, { regular }, shape);
  checkHalf(operation, host, { regular }, shape, way, { q, k, v });
  host.run(KERNELS[way.words], {
    tensors: [q, k, v, out, top],
    params: [B, T, S, H, G, float((scale ?? 1 / Math.sqrt(D)) * Math.LOG2E)],
    constants: constantsOf(D, regular, way),
    groups: spread(host, T / (way.subgroups * way.rows) * B * H),
  });
}

/** @throws {RangeError} If kernels for halves cannot do it. */
export function checkHalf(
  operation: string,
  host: GpuHost,
  blocks: Pick<GpuBlocks, "regular">,
  shape: HalfShape,
  variant: HalfVariant,
  tensors: Readonly<Record<string, Tensor>>,
): void {
  if (!takesHalf(blocks, shape, variant)) {
    const { T, S, D } = shape;
    throw new RangeError(
      `Cannot run ${operation} as D must be one of ${WIDTHS}, blocks be regular, of 16, 32 or a ` +
        `multiple of ${KEYS} keys, and T and S be whole tiles: current value is D = ${D}, ` +
        `blocks of ${blocks.regular}, T = ${T}, S = ${S}`,
    );
  }
  for (const [name, tensor] of Object.entries(tensors)) {
    if (host.offset(tensor) % EIGHT === 0) continue;
    throw new RangeError(
      `Cannot run ${operation} as the offset of ${name} must be a multiple of ${EIGHT}: ` +
        `current value is ${host.offset(tensor)}`,
    );
  }
}

/** Constants of a kernel that walks over keys. */
export function constantsOf(
  D: number,
  M: number,
  { subgroups, rows, split, words, turned, ahead }: HalfVariant,
): Constants {
  return {
    enable: TENSOR_CORES,
    D,
    M,
    SUBGROUPS: subgroups,
    ROWS: rows,
    SPLIT: Number(split || rows === 32),
    WORDS: words,
    TURNED: Number(turned),
    AHEAD: Number(ahead && heldBy(subgroups, KEYS, D)),
  };
}

/** Whether threads can hold a tile of so many rows, 16 words each. */
export function heldBy(subgroups: number, tileRows: number, D: number): boolean {
  return tileRows * D / 2 <= 16 * 32 * subgroups;
}

/** Workgroup memory of the forward kernel. */
export function forwardBytes(D: number, variant: HalfVariant): number {
  const { subgroups } = variant;
  const tile = KEYS * (D + 8);
  const { scores, weights } = perSubgroup(variant);
  return 2 * (Math.max(tile, subgroups * weights) + tile) + 4 * subgroups * scores;
}

/** Numbers of a subgroup in workgroup memory: scores and weights. */
function perSubgroup(
  { rows, split, turned }: HalfVariant,
): { scores: number; weights: number } {
  const gap = rows === 16 ? 1 : 0;
  return {
    scores: (split || rows === 32 ? KEYS / 2 : KEYS) * (rows + 4 + gap),
    weights: turned ? KEYS * (rows + 8 + 2 * gap) : rows * (KEYS + 8),
  };
}
