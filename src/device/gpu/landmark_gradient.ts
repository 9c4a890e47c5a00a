/** The kernels behind `landmarkAttentionBackward`, and how their work is cut. */

import blocksSource from "../../../wgsl/landmark_attention_backward_blocks.wgsl" with {
  type: "text",
};
import keysSource from "../../../wgsl/landmark_attention_backward_keys.wgsl" with { type: "text" };
import poolSource from "../../../wgsl/landmark_attention_backward_pool.wgsl" with { type: "text" };
import prepareSource from "../../../wgsl/landmark_attention_backward_prepare.wgsl" with {
  type: "text",
};
import queriesSource from "../../../wgsl/landmark_attention_backward_queries.wgsl" with {
  type: "text",
};
import carried from "../../../wgsl/landmark_gradient_carried.wgsl" with { type: "text" };
import foreign from "../../../wgsl/landmark_gradient_foreign.wgsl" with { type: "text" };
import kept from "../../../wgsl/landmark_gradient_kept.wgsl" with { type: "text" };
import made from "../../../wgsl/landmark_gradient_made.wgsl" with { type: "text" };
import narrow from "../../../wgsl/landmark_gradient_narrow.wgsl" with { type: "text" };
import product from "../../../wgsl/landmark_gradient_product.wgsl" with { type: "text" };
import regular from "../../../wgsl/landmark_gradient_regular.wgsl" with { type: "text" };
import rows from "../../../wgsl/landmark_gradient_rows.wgsl" with { type: "text" };
import sights from "../../../wgsl/landmark_gradient_sights.wgsl" with { type: "text" };
import summary from "../../../wgsl/landmark_gradient_summary.wgsl" with { type: "text" };
import weights from "../../../wgsl/landmark_gradient_weights.wgsl" with { type: "text" };
import whole from "../../../wgsl/landmark_gradient_whole.wgsl" with { type: "text" };
import wide from "../../../wgsl/landmark_gradient_wide.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import type { GpuBlocks } from "./blocks.ts";
import { float, type GpuHost, spread } from "./host.ts";
import type { Constants, Kernel } from "./kernel.ts";

/** What all kernels of a call have in common. */
export interface Job {
  readonly shape: Readonly<Record<"B" | "T" | "S" | "H" | "G" | "D", number>>;
  readonly plan: GpuBlocks;
  readonly scale: number;
  readonly q: Tensor;
  readonly out: Tensor;
  readonly top: Tensor;
  readonly dOut: Tensor;
  readonly dQ: Tensor;
}

/** Keys and values, and where their gradients go. */
export interface Keys {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly dK: Tensor;
  readonly dV: Tensor;
}

/** Foreign ones: the pool's by these lists; dK and dV are the lists', f32 [B, n, G, D]. */
export interface Listed extends Keys {
  readonly index: Tensor;
  /** Added to their scores. */
  readonly bias: number;
}

/** Some of the queries: of `rows` batch rows, `count` each. */
export interface Slice {
  readonly row: number;
  readonly rows: number;
  readonly first: number;
  readonly count: number;
}

/** Queries, or keys, in a tile. */
const TILE = 64;
/** Workgroup memory that the tiles take, of wgsl/landmark_gradient_product.wgsl. */
export const GRADIENT_BYTES = bytesOf(1);

function bytesOf(buffers: number): number {
  return 16 * (buffers * (2 * TILE * 5 + 16 * 16) + TILE * (TILE / 4 + 1));
}

/** Columns of D that a workgroup makes; of a wider D it makes twice as many, of dK and dV one. */
const COLUMNS = 64;
/** Queries that a workgroup prepares. */
const PREPARED = 16;
/** The levels of a slice take up at most so much, where 64 queries allow it. */
const LEVEL_BYTES = 2 ** 28;

const prepare = { name: "landmark_attention_backward_prepare", source: prepareSource };
const pool = { name: "landmark_attention_backward_pool", source: poolSource };

const variants = new Map<string, Kernel>();

type Name = "blocks" | "keys" | "queries";

/** Where the kernel that walks over keys has levels from: it makes them, or another one left them. */
const LEVELS = { kept: kept + whole, made: summary + made + whole, carried: summary + carried };

/** How a kernel reads, what keys are to it, and where it has levels from if it may choose. */
interface Variant {
  readonly load: "wide" | "narrow";
  readonly keys: "sights" | "regular" | "foreign";
  readonly levels: keyof typeof LEVELS | undefined;
}

/** An entry point with the parts it is made of. */
function variant(name: Name, { load, keys, levels }: Variant): Kernel {
  const key = `${name} ${load} ${keys} ${levels}`;
  const kernel = variants.get(key) ?? {
    name: `landmark_attention_backward_${name}`,
    source: [
      { wide, narrow }[load],
      { sights: sights + weights, regular: regular + weights, foreign }[keys],
      levels ? LEVELS[levels] : "",
      rows,
      product,
      { blocks: blocksSource, keys: keysSource, queries: queriesSource }[name],
    ].join("\n"),
  };
  variants.set(key, kernel);
  return kernel;
}

/** What of a plan decides how its levels are made. */
interface Layout {
  /** N: the numbers that blocks have in a row. */
  readonly blocks: number;
  /** M, if blocks with a landmark each lie in an aligned stretch of M keys and end it; or 0. */
  readonly stretch: number;
  /** "made" where a tile of keys holds whole blocks, "carried" where each ends with a tile. */
  readonly levels: keyof typeof LEVELS;
}

const layouts = new WeakMap<GpuBlocks, Layout>();

function layoutOf(plan: GpuBlocks): Layout {
  let layout = layouts.get(plan);
  if (!layout) layouts.set(plan, layout = plan.regular > 0 ? ofRegular(plan) : ofAny(plan));
  return layout;
}

/** Stretches that a tile holds whole. */
const STRETCHES = [64, 32, 16, 8, 4];

function ofRegular({ keys, regular }: GpuBlocks): Layout {
  const stretch = STRETCHES.includes(regular) ? regular : 0;
  const endsTiles = regular % TILE === 0 && regular < keys;
  return { blocks: Math.ceil(keys / regular), stretch, levels: levelsOf(stretch, endsTiles) };
}

function ofAny(plan: GpuBlocks): Layout {
  const data = plan.data();
  let blocks = 1;
  let fitting = STRETCHES;
  let endsTiles = true;
  for (let at = 0; at < data.length; at += 4) {
    const key = at / 4 % plan.keys;
    const end = data[at + 3];
    blocks = Math.max(blocks, data[at] + 1);
    if (end < 0) continue;
    endsTiles &&= end % TILE === TILE - 1;
    const fits = (M: number) => end % M === M - 1 && key >= end - end % M;
    if (!fitting.every(fits)) fitting = fitting.filter(fits);
  }
  const stretch = fitting[0] ?? 0;
  return { blocks, stretch, levels: levelsOf(stretch, endsTiles) };
}

function levelsOf(stretch: number, endsTiles: boolean): Layout["levels"] {
  if (stretch > 0) return "made";
  return endsTiles ? "carried" : "kept";
}

/**
 * Cuts the queries so that the levels of a slice are not too large, into slices of one length: a
 * short one behind the others has few workgroups, which all walk far.
 */
export function* slicesOf(host: GpuHost, { shape: { B, T, H }, plan }: Job): Iterable<Slice> {
  const budget = Math.min(LEVEL_BYTES, host.limits.tensorBytes);
  const queries = Math.floor(budget / (8 * H * (layoutOf(plan).blocks + 1)));
  const most = queries >= T ? T : Math.max(1, Math.floor(queries / TILE)) * TILE;
  const slices = Math.ceil(T / most);
  const count = slices > 1 ? Math.ceil(T / slices / TILE) * TILE : T;
  const rows = Math.max(1, Math.min(B, host.limits.groups, Math.floor(queries / T)));
  for (let row = 0; row < B; row += rows) {
    for (let first = 0; first < T; first += count) {
      yield {
        ...{ row, first },
        rows: Math.min(rows, B - row),
        count: Math.min(count, T - first),
      };
    }
  }
}

/** Adds what the queries of a slice have to give. */
export function backSlice(
  host: GpuHost,
  job: Job,
  slice: Slice,
  own: Keys,
  listed?: Listed,
): void {
  const { shape: { T, S, H, G, D }, plan, q, out, top, dOut, dQ } = job;
  const { row, rows, first, count } = slice;
  const { blocks: N, stretch, levels: ofOwn } = layoutOf(plan);
  const rowKeys = plan.distinct === 1 ? 0 : S;
  using levels = host.tensor([rows, H, N + 1, count, 2], { zero: false });
  host.run(prepare, {
    tensors: [out, dOut, top, plan.sights, levels],
    params: [row, rows, first, count, T, S, H, N, rowKeys],
    constants: { D },
    groups: spread(host, Math.ceil(rows * count * H / PREPARED)),
  });

  const isWide = D > COLUMNS;
  const parts = Math.ceil(D / (isWide ? 2 * COLUMNS : COLUMNS));
  const heads = { blocks: H, keys: G * parts, queries: H * parts };
  const bias = float(listed?.bias ?? 0);
  const ofPlan = plan.regular > 0 ? "regular" : "sights";
  const launch = (
    name: Name,
    { k, v, dK, dV }: Keys,
    { levelsFrom, WIDE = Number(isWide) }: { levelsFrom?: Variant["levels"]; WIDE?: number } = {},
  ): void => {
    const isOwn = listed?.k !== k;
    const seen = isOwn ? plan.sights : listed.index;
    const inputs = [q, k, v, dOut];
    const outputs = { blocks: [], keys: [dK, dV], queries: [dQ] }[name];
    const keys = isOwn ? S : seen.shape[1];
    const quads = D % 4 === 0 && inputs.every((tensor) => host.offset(tensor) % 4 === 0);
    const kernel = variant(name, {
      load: quads ? "wide" : "narrow",
      keys: isOwn ? ofPlan : "foreign",
      levels: levelsFrom,
    });
    const tiles = Math.ceil((name === "keys" ? keys : count) / TILE);
    const constants: Constants = {
      D,
      SPELLED: Number(!host.features.rolled),
      // Two tiles of what is multiplied have half the barriers.
      BUFFERS: bytesOf(2) <= host.limits.workgroupBytes ? 2 : 1,
      ...(isOwn && plan.regular > 0 && { M: plan.regular }),
      ...(levelsFrom === "made" && { M: stretch }),
      ...(name !== "blocks" && { WIDE }),
    };
    host.run(kernel, {
      tensors: [...inputs, levels, seen, ...outputs],
      params: [row, first, count, T, keys, H, G, N, rowKeys, float(job.scale), bias],
      constants,
      groups: [heads[name], tiles, rows],
    });
  };
  /** dK and dV: at once, or where rows are wide one after the other. */
  const launchKeys = (keys: Keys): void => {
    launch("keys", keys);
    if (isWide) launch("keys", keys, { WIDE: 2 });
  };
  const hasEarlier = plan.regular === 0 || plan.regular < S;
  if (ofOwn === "kept" && hasEarlier) launch("blocks", own);
  launch("queries", own, { levelsFrom: ofOwn });
  launchKeys(own);
  if (!listed) return;
  launch("queries", listed, { levelsFrom: "kept" });
  launchKeys(listed);
}

/** Adds the gradients of lists to the pool's. */
export function sumLists(
  host: GpuHost,
  { index, dK, dV }: Pick<Listed, "index" | "dK" | "dV">,
  dKeys: Tensor,
  dValues: Tensor,
): void {
  const [N, G, D] = dKeys.shape;
  const [B, n] = index.shape;
  host.run(pool, {
    tensors: [index, dK, dV, dKeys, dValues],
    params: [B * n, G * D, N],
    groups: spread(host, N),
  });
}
