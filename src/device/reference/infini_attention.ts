import { FROM_INITIAL, READS_NOTHING } from "../infini.ts";
import { memoryOf, rowOf } from "./infini_memory.ts";
import { readRow } from "./infini_read.ts";
import { writeRows } from "./infini_write.ts";
import type { Indices, Reals } from "./tensors.ts";

/** What a call reads: shapes as in ../infini.ts. */
export interface InfiniInputs {
  readonly q: Reals;
  readonly k: Reals;
  readonly v: Reals;
  readonly local: Reals;
  readonly gate: Reals;
  readonly segments: Indices;
  readonly initial: Reals;
  readonly before: Reals;
}

/** A segment of a batch row. */
export interface Segment {
  readonly first: number;
  readonly end: number;
  readonly fromInitial: boolean;
  readonly reads: boolean;
}

type Options = { delta: boolean; epsilon: number };

/** Segments in order: each reads the memory in front of it, then is written. */
export function infiniAttention(
  inputs: InfiniInputs,
  out: Reals,
  memories: Reals,
  options: Options,
): void {
  const [B, S, G] = memories.shape;
  out.data.fill(0);
  for (let b = 0; b < B; b++) {
    for (let s = 0; s < S; s++) {
      const segment = segmentOf(inputs.segments, b, s);
      for (let g = 0; g < G; g++) {
        const front = frontOf(inputs, memories, b, s, g);
        read(inputs, segment, b, g, front, out, options);
        const behind = memoryOf(memories, (b * S + s) * G + g);
        behind.set(front);
        write(inputs, segment, b, g, behind, options);
      }
    }
  }
}

/** What the query heads of memory g get of it. */
function read(
  { q, k, local, gate }: InfiniInputs,
  { first, end, reads }: Segment,
  b: number,
  g: number,
  memory: Float64Array,
  out: Reals,
  { epsilon }: Options,
): void {
  const [, T, H] = q.shape;
  const G = k.shape[2];
  for (let t = first; t < end; t++) {
    for (let h = g * H / G; h < (g + 1) * H / G; h++) {
      const row = (b * T + t) * H + h;
      const [near, to] = [rowOf(local, row), rowOf(out, row)];
      if (reads) readRow(rowOf(q, row), near, gate.data[h], memory, to, epsilon);
      else to.set(near);
    }
  }
}

/** Adds the segment to memory g. */
function write(
  { k, v }: InfiniInputs,
  { first, end }: Segment,
  b: number,
  g: number,
  memory: Float64Array,
  options: Options,
): void {
  const [, T, G] = k.shape;
  const rows = Array.from({ length: end - first }, (_, i) => (b * T + first + i) * G + g);
  writeRows(rows.map((row) => rowOf(k, row)), rows.map((row) => rowOf(v, row)), memory, options);
}

/** Segment s of batch row b. */
export function segmentOf({ data, shape }: Indices, b: number, s: number): Segment {
  const [first, end, kind] = data.subarray((b * shape[1] + s) * 3);
  return {
    ...{ first, end },
    fromInitial: (kind & FROM_INITIAL) !== 0,
    reads: (kind & READS_NOTHING) === 0,
  };
}

/** The memory [D, D + 1] that segment s of batch row b begins from. */
export function frontOf(
  { segments, initial, before }: InfiniInputs,
  memories: Reals,
  b: number,
  s: number,
  g: number,
): Float64Array {
  const [, S, G] = memories.shape;
  if (segmentOf(segments, b, s).fromInitial) return memoryOf(initial, g);
  return s === 0 ? memoryOf(before, b * G + g) : memoryOf(memories, (b * S + s - 1) * G + g);
}
