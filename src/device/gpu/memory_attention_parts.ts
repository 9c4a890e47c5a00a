import joinSource from "../../../wgsl/memory_attention_join.wgsl" with { type: "text" };
import params from "../../../wgsl/memory_attention_params.wgsl" with { type: "text" };
import partsSource from "../../../wgsl/memory_attention_parts.wgsl" with { type: "text" };
import quads from "../../../wgsl/memory_attention_quads.wgsl" with { type: "text" };
import quadsLoad from "../../../wgsl/memory_attention_quads_load.wgsl" with { type: "text" };
import quadsShared from "../../../wgsl/memory_attention_quads_shared.wgsl" with { type: "text" };
import quadsSubgroups from "../../../wgsl/memory_attention_quads_subgroups.wgsl" with {
  type: "text",
};
import type { Chosen, Tensor } from "../device.ts";
import { poolSegments } from "./block_pool.ts";
import type { GpuBlocks } from "./blocks.ts";
import { GpuTensor } from "./gpu_tensor.ts";
import { float, type GpuHost, spread } from "./host.ts";
import type { Constants, Kernel } from "./kernel.ts";

/** For any width, and for whole quads of words. */
const parts = { name: "memory_attention_parts", source: params + partsSource };
const quadsSource = params + quads + quadsLoad;
const QUADS = {
  shared: { name: "memory_attention_quads", source: quadsSource + quadsShared },
  subgroups: { name: "memory_attention_quads", source: quadsSource + quadsSubgroups },
};
const join = { name: "memory_attention_join", source: joinSource };

/** Numbers that parts may take before tokens are read in several goes. */
const ROOM = 2 ** 24;

/** Of a workgroup for quads: of 64, 128 and 256 the fastest on an H100 (Deno's WebGPU, halves). */
const THREADS = 64;

/** What a call is about, its shapes checked. */
export interface Reading {
  readonly queries: Tensor;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly out: Tensor;
  readonly blocks: GpuBlocks;
  readonly chosen: Chosen | undefined;
  readonly scale: number;
  readonly sizes: Readonly<Record<"T" | "Z" | "S" | "H" | "G" | "D", number>>;
}

/**
 * Every query meets every chosen block by itself, and the means are joined: with those of the blocks
 * of a regular section, or, given `top`, with what `out` and it hold of the section.
 */
export function attendByParts(host: GpuHost, reading: Reading, top?: Tensor): void {
  const { blocks, chosen, sizes: { T, S, H, D } } = reading;
  const count = chosen?.entries.shape[2] ?? 0;
  const all = count + (top ? 0 : Math.ceil(S / blocks.regular));
  if (all === 0) return;
  const most = Math.max(1, Math.floor(ROOM / (H * all * (D + 1))));
  for (let first = 0; first < T; first += most) {
    attendSome(host, reading, top, { first, tokens: Math.min(most, T - first), count, all });
  }
}

/** Some of the tokens, and how many parts they have: of chosen blocks, and of all. */
interface Some {
  readonly first: number;
  readonly tokens: number;
  readonly count: number;
  readonly all: number;
}

function attendSome(host: GpuHost, reading: Reading, top: Tensor | undefined, some: Some): void {
  const { out, blocks, chosen, sizes: { T, S, H, D } } = reading;
  const { first, tokens, count, all } = some;
  using made = host.tensor([tokens * H * all * (D + 1)], { zero: false });
  const { segments, perSegment } = poolSegments(chosen?.pool ?? reading.k);
  segments.forEach((segment, s) => {
    const here = s === 0 ? all : count;
    if (here > 0) runParts(host, reading, made, some, { segment, start: s * perSegment, here });
  });
  const isIrregular = blocks.regular === 0;
  host.run(join, {
    tensors: [
      made,
      top ? rows(host, top, first, tokens) : made,
      isIrregular ? blocks.sights : made,
      rows(host, out, first, tokens),
    ],
    params: [tokens * H, all, H, S - T + first],
    constants: { D, SECTION: Number(top !== undefined), SIGHTS: Number(isIrregular) },
    groups: spread(host, tokens * H),
  });
}

/** Parts of some queries: the chosen blocks in one segment of the pool, and the section's blocks. */
function runParts(
  host: GpuHost,
  { queries, q, k, v, blocks, chosen, scale, sizes: { T, Z, S, H, G, D } }: Reading,
  made: Tensor,
  { first, tokens, count, all }: Some,
  { segment, start, here }: { segment: Tensor; start: number; here: number },
): void {
  const isShared = chosen?.entries.shape[0] === 1;
  const some = (x: Tensor): Tensor => rows(host, x, first, tokens);
  const listed = (x: Tensor | undefined): Tensor => x ? isShared ? x : some(x) : k;
  const fours = [some(queries), some(q), k, v];
  const numbers = segment.dtype === "f16" ? 8 : 4;
  const isWhole = D % numbers === 0 && host.offset(segment) % numbers === 0 &&
    fours.every((tensor) => host.offset(tensor) % 4 === 0);
  const hasQuads = isWhole && D <= 4 * THREADS;
  const { kernel, constants } = hasQuads ? quadsOf(host, D, numbers) : { kernel: parts };
  host.run(kernel, {
    tensors: [...fours, listed(chosen?.entries), listed(chosen?.slots), segment, made],
    params: [
      ...[tokens, Z, H, G, S - T + first, count, Number(isShared), all, here],
      ...[chosen?.pool.shape[2] ?? 0, blocks.regular, start, segment.shape[0]],
      float(scale),
    ],
    constants: { ...constants, D, HALF: Number(segment.dtype === "f16") },
    groups: spread(host, tokens * H * here),
  });
}

/** For rows of whole quads, which hold so many numbers each; by subgroups with room for a row. */
function quadsOf(
  { features: { subgroups } }: GpuHost,
  D: number,
  numbers: number,
): { kernel: Kernel; constants?: Constants } {
  const LANES = 2 ** Math.ceil(Math.log2(D / numbers));
  const fits = (subgroups?.min ?? 0) >= LANES;
  const enable = fits ? subgroups?.enable : undefined;
  return {
    kernel: QUADS[fits ? "subgroups" : "shared"],
    constants: { ...(enable && { enable }), LANES, THREADS },
  };
}

/** Rows of the first axis, from row `at` on. */
function rows(host: GpuHost, tensor: Tensor, at: number, count: number): Tensor {
  host.check(tensor);
  const { dtype, shape: [all, ...rest], storage, at: start } = tensor as GpuTensor;
  if (count === all) return tensor;
  const size = rest.reduce((product, length) => product * length, 1);
  return new GpuTensor(dtype, [count, ...rest], storage, start + at * size);
}
