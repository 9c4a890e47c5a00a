import main from "../../../wgsl/landmark_attention.wgsl" with { type: "text" };
import load from "../../../wgsl/landmark_attention_load.wgsl" with { type: "text" };
import shared from "../../../wgsl/landmark_attention_shared.wgsl" with { type: "text" };
import subgroups from "../../../wgsl/landmark_attention_subgroups.wgsl" with { type: "text" };
import tile from "../../../wgsl/landmark_attention_tile.wgsl" with { type: "text" };
import weights from "../../../wgsl/landmark_attention_weights.wgsl" with { type: "text" };
import type { Foreign, Tensor } from "../device.ts";
import type { GpuBlocks } from "./blocks.ts";
import { float, type GpuHost, type Param, spread } from "./host.ts";
import type { Constants } from "./kernel.ts";

const name = "landmark_attention";
const common = tile + load + weights + main;
const KERNELS = {
  shared: { name, source: common + shared },
  subgroups: { name, source: common + subgroups },
};

/** Slots in a tile of keys. */
const SIDE = 64;
/** Columns that are multiplied at a time. */
const CHUNK = 32;
const FLOAT_BYTES = 4;

/** A call of landmark attention, checked. */
export interface Attention {
  readonly shape: Readonly<Record<"B" | "T" | "S" | "H" | "G" | "D", number>>;
  readonly plan: GpuBlocks;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly out: Tensor;
  readonly top: Tensor;
  readonly scale: number;
  readonly foreign: Foreign | undefined;
  /** Added to the scores of foreign blocks. */
  readonly foreignBias: number;
}

/** How a kernel is written, beside what shapes ask for. */
export interface TileOptions {
  /** Ordinary causal attention: landmarks are keys like others. @default {false} */
  plain?: boolean;
  /** Threads that share a row: 8 or 16. @default {16, up to 32 columns 8} */
  lanes?: 8 | 16;
  /** Loads of a tile's values: 1 or 2. @default {1 where it fits in workgroup memory} */
  pieces?: 1 | 2;
  /** How they share numbers. @default {"subgroups" where there are any} */
  by?: keyof typeof KERNELS;
}

/** Whether {@linkcode attendTiles} can do it: a regular plan, and rows of whole fours. */
export function hasTiles(host: GpuHost, { shape: { D }, plan, ...rest }: Attention): boolean {
  const { q, k, v, out, foreign } = rest;
  const fours = [q, k, v, out, ...foreign ? [foreign.keys, foreign.values] : []];
  return plan.regular > 0 && D % 4 === 0 && D <= 128 &&
    host.limits.workgroupBytes >= bytesOf(constantsOf(host, D, plan.regular, {})) &&
    fours.every((tensor) => host.offset(tensor) % 4 === 0);
}

/** 64 queries at a time, for regular plans; wgsl/landmark_attention.wgsl. */
export function attendTiles(host: GpuHost, job: Attention, options: TileOptions = {}): void {
  const { shape: { B, T, S, H, G, D }, plan, q, k, v, out, top } = job;
  const { keys, values, index } = job.foreign ?? { keys: k, values: v, index: q };
  const M = options.plain ? SIDE : plan.regular;
  const slots = slotsOf(M);
  const tileOf = (key: number) => Math.floor((Math.floor(key / M) * slots + key % M) / SIDE);
  const first = tileOf(S - T);
  const tiles = tileOf(S - 1) - first + 1;
  const params: Param[] = [
    ...[B, T, S, H, G, M, D / 4, first, tiles, Math.max(1, slots / SIDE), (M - 1) % SIDE],
    job.foreign ? index.shape[1] : 0,
    float(job.scale * Math.LOG2E),
    float(job.foreignBias * Math.LOG2E),
  ];
  host.run(KERNELS[options.by ?? sharingOf(host, lanesOf(D, options))], {
    tensors: [q, k, v, keys, values, index, out, top],
    params,
    constants: constantsOf(host, D, M, options),
    groups: spread(host, tiles * B * H),
  });
}

/** Slots that a block takes up. */
function slotsOf(M: number): number {
  return M > SIDE ? SIDE * Math.ceil(M / SIDE) : Math.max(8, 2 ** Math.ceil(Math.log2(M)));
}

/** 16 took half to three quarters of the time of 8 on an H100 (64 columns, Deno's WebGPU). */
function lanesOf(D: number, { lanes }: TileOptions): number {
  return lanes ?? (D > CHUNK ? 16 : 8);
}

function sharingOf({ features }: GpuHost, lanes: number): keyof typeof KERNELS {
  return (features.subgroups?.min ?? 0) >= lanes ? "subgroups" : "shared";
}

function constantsOf(host: GpuHost, D: number, M: number, options: TileOptions): Constants {
  const lanes = lanesOf(D, options);
  const CHUNKS = 2 ** Math.ceil(Math.log2(Math.max(1, D / CHUNK)));
  const fits = bytesOf({ CHUNKS, PIECES: 1 }) <= host.limits.workgroupBytes;
  const { by = sharingOf(host, lanes), pieces = fits ? 1 : 2, plain = false } = options;
  const enable = by === "subgroups" ? host.features.subgroups?.enable : undefined;
  const slots = slotsOf(M);
  return {
    ...(enable && { enable }),
    LANES: lanes,
    GROUPS: SIDE / lanes / 4,
    COLUMNS: CHUNKS * CHUNK / 4 / lanes,
    CHUNKS,
    PIECES: pieces,
    BLOCK_SLOTS: Math.min(slots, SIDE),
    FULL: Number(plain || M === slots || M % SIDE === 0),
    LONG: Number(!plain && M > SIDE),
    PLAIN: Number(plain),
  };
}

/** Workgroup memory that a kernel takes. */
function bytesOf({ CHUNKS, PIECES }: Constants): number {
  return FLOAT_BYTES * (2 * SIDE * CHUNK + SIDE / Number(PIECES) * Number(CHUNKS) * CHUNK);
}
