import type { InfiniOptions, Tensor } from "../device.ts";
import { checkInfini } from "../infini.ts";
import { fill } from "./fill.ts";
import { type GpuHost, spread } from "./host.ts";
import {
  checkKnown,
  type InfiniCall,
  kernels,
  partsFor,
  runRead,
  runSums,
  stretchOf,
} from "./infini_kernels.ts";

/**
 * Segments are written, then all tokens read. What segments add to a memory does not depend on it,
 * and is summed up for all at once, unless they are written by the delta rule.
 */
export function infiniAttention(
  host: GpuHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  local: Tensor,
  gate: Tensor,
  segments: Tensor,
  initial: Tensor,
  before: Tensor,
  out: Tensor,
  memories: Tensor,
  options: InfiniOptions,
): void {
  const operation = "infiniAttention";
  const given = { q, k, v, local, gate, segments, initial, before };
  const call = checkInfini(operation, { ...given, out, memories }, options);
  const { shape } = call;
  const { B, S, H, G, D } = shape;
  checkKnown(host, operation, segments, shape);
  using fronts = host.tensor([B, S, G, D, D + 1], { zero: false });
  writeSegments(host, call, { k, v, gate, segments, initial, before, fronts, memories });
  // Padding is no segment's.
  fill(host, out, 0);
  runRead(host, call, stretchOf(host, segments, shape, 0, S), {
    ...{ x: q, local, gate, segments, fronts, out },
    ...{ heads: H, subtracts: false },
  });
}

type Written = Record<
  "k" | "v" | "gate" | "segments" | "initial" | "before" | "fronts" | "memories",
  Tensor
>;

/** Fills in fronts and memories, f32 [B, S, G, D, D + 1]. */
function writeSegments(
  host: GpuHost,
  call: InfiniCall,
  { k, v, gate, segments, initial, before, fronts, memories }: Written,
): void {
  const { shape, delta } = call;
  const { B, T, S, G, D } = shape;
  const slots = delta ? 1 : S;
  const parts = partsFor(host, shape, slots);
  using sums = host.tensor([B, slots, parts, G, D, D + 1], { zero: false });
  const count = B * G * D * (D + 1);
  const advance = (first: number, last: number): void =>
    host.run(kernels.infini_advance, {
      tensors: [segments, initial, before, sums, fronts, memories],
      params: [T, G, S, count, first, last, slots, parts],
      constants: { D },
      groups: spread(host, Math.ceil(count / 64)),
    });
  if (!delta) {
    runSums(host, shape, { s: 0, end: S }, { x: k, y: v, segments, sums, heads: G });
    return advance(0, S);
  }
  using lacking = host.tensor(v.shape, { zero: false });
  for (let s = 0; s < S; s++) {
    advance(s, s);
    runRead(host, call, stretchOf(host, segments, shape, s, s + 1), {
      ...{ x: k, local: v, gate, segments, fronts, out: lacking },
      ...{ heads: G, subtracts: true },
    });
    runSums(host, shape, { s, end: s + 1 }, { x: k, y: lacking, segments, sums, heads: G });
  }
  advance(S, S);
}

/** Reads a memory as it is, as one segment's. */
export function infiniRead(
  host: GpuHost,
  q: Tensor,
  local: Tensor,
  gate: Tensor,
  memory: Tensor,
  out: Tensor,
  options: InfiniOptions,
): void {
  const call = checkInfini("infiniRead", { q, local, gate, memory, out }, options);
  const { T, H } = call.shape;
  using segments = oneSegment(host, T);
  runRead(host, call, { s: 0, end: 1, first: 0, last: T }, {
    ...{ x: q, local, gate, segments, fronts: memory, out },
    ...{ heads: H, subtracts: false },
  });
}

/** Adds one segment, by itself, to a compensated sum; wgsl/infini_write.wgsl. */
export function infiniWrite(
  host: GpuHost,
  k: Tensor,
  v: Tensor,
  memory: Tensor,
  remainder: Tensor,
  options: InfiniOptions,
): void {
  const call = checkInfini("infiniWrite", { k, v, memory, remainder }, options);
  const { shape, delta } = call;
  const { T, G, D } = shape;
  if (T === 0) return;
  using segments = oneSegment(host, T);
  const parts = partsFor(host, shape, 1);
  using sums = host.tensor([1, 1, parts, G, D, D + 1], { zero: false });
  using lacking = delta ? host.tensor(v.shape, { zero: false }) : undefined;
  if (lacking) {
    runRead(host, call, { s: 0, end: 1, first: 0, last: T }, {
      ...{ x: k, local: v, gate: v, segments, fronts: memory, out: lacking },
      ...{ heads: G, subtracts: true },
    });
  }
  runSums(host, shape, { s: 0, end: 1 }, { x: k, y: lacking ?? v, segments, sums, heads: G });
  const count = G * D * (D + 1);
  host.run(kernels.infini_write, {
    tensors: [sums, memory, remainder],
    params: [count, parts, 0],
    groups: spread(host, Math.ceil(count / 64)),
  });
}

/** All tokens as one segment. */
function oneSegment(host: GpuHost, T: number): Tensor {
  return host.tensor([1, 1, 3], { dtype: "i32", data: [0, T, 0] });
}
