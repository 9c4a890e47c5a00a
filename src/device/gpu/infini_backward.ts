import type { InfiniGradients, InfiniOptions, Tensor } from "../device.ts";
import { checkInfini } from "../infini.ts";
import { addRows } from "./add_rows.ts";
import { float, type GpuHost, spread } from "./host.ts";
import {
  checkKnown,
  eachTiles,
  type InfiniCall,
  kernels,
  partsFor,
  runSums,
  stretchOf,
  threadsFor,
  tileFor,
} from "./infini_kernels.ts";

/** What the kernels of a call read, and where they add. */
interface Job {
  readonly call: InfiniCall;
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly local: Tensor;
  readonly gate: Tensor;
  readonly segments: Tensor;
  readonly dOut: Tensor;
  readonly dAfter: Tensor;
  readonly gradients: InfiniGradients;
  /** f32 [B, S, G, 2, D (D + 1)]: what segments begin from, and on its side. */
  readonly fronts: Tensor;
}

/**
 * Adds the gradients of `infiniAttention`: queries first, which give to the memory in front of their
 * segment; then segments from the last to the first. Without the delta rule only sums go from one to
 * the next, and keys of all segments come at once.
 */
export function infiniAttentionBackward(
  host: GpuHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  local: Tensor,
  gate: Tensor,
  segments: Tensor,
  initial: Tensor,
  before: Tensor,
  memories: Tensor,
  dOut: Tensor,
  dAfter: Tensor,
  gradients: InfiniGradients,
  options: InfiniOptions,
): void {
  const operation = "infiniAttentionBackward";
  const call = checkInfini(operation, {
    ...{ q, k, v, local, gate, segments, initial, before, memories, dOut, dAfter },
    ...{ dQ: gradients.q, dK: gradients.k, dV: gradients.v, dLocal: gradients.local },
    ...{ dGate: gradients.gate, dInitial: gradients.initial, dBefore: gradients.before },
  }, options);
  const { shape } = call;
  const { B, T, S, G, D } = shape;
  checkKnown(host, operation, segments, shape);
  const size = D * (D + 1);
  using fronts = host.tensor([B, S, G, 2, size], { zero: false });
  host.run(kernels.infini_fronts, {
    tensors: [segments, initial, before, memories, fronts],
    params: [T, G, S, B * S * G * size],
    constants: { D },
    groups: spread(host, Math.ceil(B * S * G * size / 64)),
  });
  const job = { call, q, k, v, local, gate, segments, dOut, dAfter, gradients, fronts };
  using sums = host.tensor([B, S, partsFor(host, shape, S), G, D, D + 1], { zero: false });
  backReaders(host, job, sums);
  backSegments(host, job, sums);
}

/** Queries, local attention and gates; sums f32 [B, S, parts, G, D, D + 1] of what memories get. */
function backReaders(host: GpuHost, job: Job, sums: Tensor): void {
  const { call: { shape, epsilon }, q, local, gate, segments, dOut, gradients, fronts } = job;
  const { B, T, S, H, G, D } = shape;
  host.run(kernels.infini_back_local, {
    tensors: [gate, dOut, segments, gradients.local],
    params: [T, H, S, B * T * H * D],
    constants: { D },
    groups: spread(host, Math.ceil(B * T * H * D / 256)),
  });
  const tokens = tileFor(host, D, 16);
  using dSums = host.tensor([B, T, H, D + 1], { zero: false });
  using gains = host.tensor([B * Math.ceil(T / tokens), H]);
  eachTiles(host, { first: 0, last: T }, tokens, (first, tiles) => {
    host.run(kernels.infini_back_read, {
      tensors: [q, local, gate, dOut, segments, fronts, gradients.q, dSums, gains],
      params: [T, H, G, S, first, float(epsilon)],
      constants: { D, TOKENS: tokens, THREADS: threadsFor(host, D) },
      groups: [tiles, H, B],
    });
  });
  addRows(host, gains, gradients.gate);
  runSums(host, shape, { s: 0, end: S }, { x: q, y: dSums, segments, sums, heads: H });
}

/** Segments from the last to the first: keys, values, and what they begin from. */
function backSegments(host: GpuHost, job: Job, readSums: Tensor): void {
  const { call: { shape, delta }, k, segments, dAfter, gradients } = job;
  const { B, T, S, G, D } = shape;
  const parts = readSums.shape[2];
  const size = D * (D + 1);
  using dFronts = host.tensor([B, S, G, size], { zero: false });
  using behinds = host.tensor([B, S, G, 2, size], { zero: false });
  using dSums = host.tensor(delta ? [B, T, G, D + 1] : [1], { zero: false });
  using written = delta ? host.tensor([B, 1, parts, G, D, D + 1], { zero: false }) : undefined;
  const advance = (first: number, last: number): void =>
    host.run(kernels.infini_back_advance, {
      tensors: [segments, dAfter, readSums, written ?? readSums, dFronts, behinds],
      params: [T, G, S, B * G * size, first, last, parts],
      constants: { D, DELTA: Number(delta) },
      groups: spread(host, Math.ceil(B * G * size / 64)),
    });
  if (!written) {
    advance(0, S);
    backWriters(host, job, behinds, dSums, 0, S);
  } else {
    for (let n = 0; n < S; n++) {
      const s = S - 1 - n;
      advance(n, n);
      backWriters(host, job, behinds, dSums, s, s + 1);
      runSums(host, shape, { s, end: s + 1 }, {
        ...{ x: k, y: dSums, segments, sums: written, heads: G },
      });
    }
    advance(S, S);
  }
  host.run(kernels.infini_back_before, {
    tensors: [segments, dFronts, gradients.initial, gradients.before],
    params: [T, B, G, S],
    constants: { D },
    groups: spread(host, Math.ceil(G * size / 64)),
  });
}

/** Keys and values of segments s … end − 1. */
function backWriters(
  host: GpuHost,
  { call: { shape, delta, epsilon }, k, v, segments, fronts, gradients }: Job,
  behinds: Tensor,
  dSums: Tensor,
  s: number,
  end: number,
): void {
  const { B, T, S, G, D } = shape;
  const tokens = tileFor(host, D, 16);
  eachTiles(host, stretchOf(host, segments, shape, s, end), tokens, (first, tiles) => {
    host.run(kernels.infini_back_write, {
      tensors: [k, v, segments, fronts, behinds, gradients.k, gradients.v, dSums],
      params: [T, G, S, s, end, first, float(epsilon)],
      constants: { D, TOKENS: tokens, THREADS: threadsFor(host, D), DELTA: Number(delta) },
      groups: [tiles, G, B],
    });
  });
}
