/** The kernels of Infini-attention, and how their work is cut. */

import advance from "../../../wgsl/infini_advance.wgsl" with { type: "text" };
import backAdvance from "../../../wgsl/infini_back_advance.wgsl" with { type: "text" };
import backBefore from "../../../wgsl/infini_back_before.wgsl" with { type: "text" };
import backLocal from "../../../wgsl/infini_back_local.wgsl" with { type: "text" };
import backRead from "../../../wgsl/infini_back_read.wgsl" with { type: "text" };
import backWrite from "../../../wgsl/infini_back_write.wgsl" with { type: "text" };
import fronts from "../../../wgsl/infini_fronts.wgsl" with { type: "text" };
import memory from "../../../wgsl/infini_memory.wgsl" with { type: "text" };
import read from "../../../wgsl/infini_read.wgsl" with { type: "text" };
import sums from "../../../wgsl/infini_sums.wgsl" with { type: "text" };
import tile from "../../../wgsl/infini_tile.wgsl" with { type: "text" };
import write from "../../../wgsl/infini_write.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkSegments, type InfiniShape } from "../infini.ts";
import { float, type GpuHost } from "./host.ts";
import type { Kernel } from "./kernel.ts";

const KERNELS = {
  infini_advance: memory + advance,
  infini_back_advance: memory + backAdvance,
  infini_back_before: memory + backBefore,
  infini_back_local: memory + backLocal,
  infini_back_read: memory + tile + backRead,
  infini_back_write: memory + tile + backWrite,
  infini_fronts: memory + fronts,
  infini_read: memory + tile + read,
  infini_sums: memory + sums,
  infini_write: write,
};

/** Every kernel, by its name. */
export const kernels = Object.fromEntries(
  Object.entries(KERNELS).map(([name, source]) => [name, { name, source }]),
) as Record<keyof typeof KERNELS, Kernel>;

/** A call: its shape, and its options as kernels take them. */
export interface InfiniCall {
  readonly shape: InfiniShape;
  readonly delta: boolean;
  readonly epsilon: number;
}

/** Segments s … end − 1, and all their tokens. */
export interface Stretch {
  readonly s: number;
  readonly end: number;
  readonly first: number;
  readonly last: number;
}

/** Tokens, at least, that are summed up one after another. */
const PART = 128;
/** Parts of a segment, at most. */
const PARTS = 16;

/** Threads of a workgroup that has a lane for each of D + 1 columns. @throws {RangeError} If there are too many. */
export function threadsFor(host: GpuHost, D: number): number {
  const threads = Math.ceil((D + 1) / 32) * 32;
  if (threads <= host.limits.workgroupThreads) return threads;
  throw new RangeError(
    `Cannot run Infini-attention on this GPU as D must be below ${host.limits.workgroupThreads}: ` +
      `current value is ${D}`,
  );
}

/** Tokens of a tile: as many as fit in workgroup memory, and at most so many. */
export function tileFor(host: GpuHost, D: number, most: number): number {
  let tokens = most;
  // Beside the tile there are some numbers a token.
  while (tokens > 4 && (D + 8) * tokens * 4 > host.limits.workgroupBytes) tokens /= 2;
  return tokens;
}

/** Into how many parts the tokens of a segment are cut; `slots` segments' sums are kept at once. */
export function partsFor(
  host: GpuHost,
  { B, T, S, G, D }: InfiniShape,
  slots: number,
): number {
  const room = Math.floor(host.limits.tensorBytes / (B * slots * G * D * (D + 1) * 4));
  return Math.max(1, Math.min(PARTS, room, Math.ceil(T / S / PART)));
}

/** Segments s … end − 1; where the host has not written them, their tokens may be all. */
export function stretchOf(
  host: GpuHost,
  segments: Tensor,
  { B, T, S }: InfiniShape,
  s: number,
  end: number,
): Stretch {
  const known = host.known(segments);
  if (!known) return { s, end, first: 0, last: T };
  let [first, last] = [T, 0];
  for (let b = 0; b < B; b++) {
    for (let i = b * S + s; i < b * S + end; i++) {
      if (known[3 * i] === known[3 * i + 1]) continue;
      first = Math.min(first, known[3 * i]);
      last = Math.max(last, known[3 * i + 1]);
    }
  }
  return { s, end, first, last };
}

/** Checks the segments, if the host has written them. */
export function checkKnown(
  host: GpuHost,
  operation: string,
  segments: Tensor,
  shape: InfiniShape,
): void {
  const known = host.known(segments);
  if (known) checkSegments(operation, known, shape);
}

/** Runs `body` for stretches of tokens that are not too long: first token, and how many tiles. */
export function eachTiles(
  host: GpuHost,
  { first, last }: Pick<Stretch, "first" | "last">,
  tokens: number,
  body: (first: number, tiles: number) => void,
): void {
  // From a multiple on, so that a tile's number does not depend on who counts it.
  const begin = Math.floor(first / tokens) * tokens;
  const most = host.limits.groups;
  for (let t = begin; t < last; t += most * tokens) {
    body(t, Math.min(most, Math.ceil((last - t) / tokens)));
  }
}

/** Tokens of a segment, and what they meet. */
export interface Rows {
  readonly x: Tensor;
  readonly local: Tensor;
  readonly gate: Tensor;
  readonly segments: Tensor;
  /** f32 [B, S, G, D, D + 1]. */
  readonly fronts: Tensor;
  readonly out: Tensor;
  /** Of x. */
  readonly heads: number;
  /** Whether `out` is what the memories lack of `local`. */
  readonly subtracts: boolean;
}

/** Tokens of a stretch read; wgsl/infini_read.wgsl. */
export function runRead(host: GpuHost, call: InfiniCall, stretch: Stretch, rows: Rows): void {
  const { shape: { B, T, S, G, D }, epsilon } = call;
  const { x, local, gate, segments, fronts, out, heads, subtracts } = rows;
  const tokens = tileFor(host, D, 32);
  eachTiles(host, stretch, tokens, (first, tiles) => {
    host.run(kernels.infini_read, {
      tensors: [x, local, gate, segments, fronts, out],
      params: [T, heads, G, S, stretch.s, stretch.end, first, float(epsilon)],
      constants: {
        ...{ D, TOKENS: tokens, THREADS: threadsFor(host, D), FRONT: D * (D + 1) },
        SUBTRACTS: Number(subtracts),
      },
      groups: [tiles, heads, B],
    });
  });
}

/** Sums over the tokens of segments, in parts; wgsl/infini_sums.wgsl. */
export function runSums(
  host: GpuHost,
  { B, T, S, G, D }: InfiniShape,
  { s, end }: Pick<Stretch, "s" | "end">,
  { x, y, segments, sums, heads }: {
    x: Tensor;
    /** f32 [B, T, heads, D] or [.., D + 1]. */
    y: Tensor;
    segments: Tensor;
    /** f32 [B, slots, parts, G, D, D + 1]. */
    sums: Tensor;
    heads: number;
  },
): void {
  const [, slots, parts] = sums.shape;
  const most = Math.max(1, Math.floor(host.limits.groups / parts));
  for (let first = s; first < end; first += most) {
    host.run(kernels.infini_sums, {
      tensors: [x, y, segments, sums],
      params: [T, heads, G, S, first, slots, parts],
      constants: {
        ...{ D, THREADS: threadsFor(host, D) },
        WHOLE: y.shape[y.shape.length - 1] - D,
      },
      groups: [G * Math.ceil(D / 32), Math.min(most, end - first) * parts, B],
    });
  }
}
