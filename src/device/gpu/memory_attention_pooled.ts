import source from "../../../wgsl/memory_attention_pooled.wgsl" with { type: "text" };
import shared from "../../../wgsl/memory_attention_pooled_shared.wgsl" with { type: "text" };
import subgroups from "../../../wgsl/memory_attention_pooled_subgroups.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { float, type GpuHost, spread } from "./host.ts";

const name = "memory_attention_pooled";
const KERNELS = {
  shared: { name, source: source + shared },
  subgroups: { name, source: source + subgroups },
};

/** How the kernel is written. */
export interface PooledWay {
  /** Threads of a workgroup, each with four keys and values of a step. */
  readonly threads: 64 | 128 | 256;
  /** Fours of keys that a thread asks for at once. */
  readonly depth: 1 | 2;
  /** How lanes of a row add; by "shared" where a subgroup has no room for a row. */
  readonly by: keyof typeof KERNELS;
}

/** What is read, its shapes checked: of some tokens, the chosen blocks in one segment of a pool. */
export interface PooledRun {
  readonly queries: Tensor;
  readonly entries: Tensor;
  readonly slots: Tensor;
  readonly segment: Tensor;
  /** The segment's first entry. */
  readonly start: number;
  /** Where parts go, of which a query has so many. */
  readonly made: Tensor;
  readonly parts: number;
  readonly scale: number;
}

/** What is taken where nothing else is asked for. */
const WAY: PooledWay = { threads: 128, depth: 1, by: "subgroups" };

/** Whether {@linkcode attendPooled} can do it: rows of whole quads of words. */
export function hasQuads(host: GpuHost, { queries, segment }: PooledRun): boolean {
  const D = segment.shape[3];
  const numbers = numbersOf(segment);
  return D % numbers === 0 && D <= 4 * WAY.threads && host.offset(segment) % numbers === 0 &&
    host.offset(queries) % 4 === 0;
}

/** Numbers of a quad of words. */
function numbersOf({ dtype }: Tensor): number {
  return dtype === "f16" ? 8 : 4;
}

/** Parts 0 … k - 1 of queries [T, Z, H, D]; wgsl/memory_attention_pooled.wgsl. */
export function attendPooled(host: GpuHost, run: PooledRun, way: PooledWay = WAY): void {
  const { queries, entries, slots, segment, start, made, parts, scale } = run;
  const [T, Z, H, D] = queries.shape;
  const [sets, , chosen] = entries.shape;
  const [count, , M] = segment.shape;
  const LANES = 2 ** Math.ceil(Math.log2(D / numbersOf(segment)));
  const by = (host.features.subgroups?.min ?? 0) >= LANES ? way.by : "shared";
  const enable = by === "subgroups" ? host.features.subgroups?.enable : undefined;
  host.run(KERNELS[by], {
    tensors: [queries, entries, slots, segment, made],
    params: [T, Z, H, chosen, Number(sets === 1), parts, start, count, float(scale)],
    constants: {
      ...(enable && { enable }),
      ...{ D, M, LANES, THREADS: way.threads, DEPTH: way.depth },
      HALF: Number(segment.dtype === "f16"),
    },
    groups: spread(host, T * H * chosen),
  });
}
