import type { Marker } from "../../attention/mechanism.ts";
import type { Sequence, SequenceKind } from "./sequences.ts";

/** Sequences as a model learns from them: rows of equal length, landmarks put in. */
export interface Rows {
  readonly rows: number;
  /** Tokens a row, landmarks included. */
  readonly length: number;
  /** i32 [rows · length]. */
  readonly ids: Int32Array;
  /** i32 [rows · length]: the next token that is not a landmark; −1 where nothing is asked. */
  readonly targets: Int32Array;
  /** f32 [rows · length], 0 where there is no target. */
  readonly weights: Float32Array;
  readonly kinds: readonly SequenceKind[];
  /** u8 [rows · blocks a row]: 1 where a block holds (part of) a nameless key. */
  readonly nameless: Uint8Array;
}

/** How many tokens a sequence must have to fill a row and give its last token a target. */
export function sequenceLength(length: number, marker: Marker | undefined): number {
  return (marker === undefined ? length : length / marker.every * (marker.every - 1)) + 1;
}

/** How many blocks a row of `length` tokens holds. */
export function blocksInRow(length: number, marker: Marker | undefined): number {
  return marker === undefined ? 0 : length / marker.every;
}

/**
 * Puts landmarks in: one after every M − 1 tokens. A landmark is never a target (the last token
 * before it is asked for the token after it), and where it is the input nothing is asked.
 *
 * @param sequences Each of `sequenceLength(length, marker)` tokens.
 * @param length Tokens a row, a multiple of the block size.
 */
export function makeRows(
  sequences: readonly Sequence[],
  options: { length: number; marker: Marker | undefined },
): Rows {
  const { length, marker } = options;
  const every = marker?.every ?? Infinity;
  const blocks = blocksInRow(length, marker);
  const ids = new Int32Array(sequences.length * length);
  const targets = new Int32Array(ids.length).fill(-1);
  const weights = new Float32Array(ids.length);
  const nameless = new Uint8Array(sequences.length * blocks);
  for (const [row, sequence] of sequences.entries()) {
    let from = 0;
    for (let t = 0; t < length; t++) {
      const at = row * length + t;
      if (marker !== undefined && t % every === every - 1) {
        ids[at] = marker.token;
        continue;
      }
      ids[at] = sequence.tokens[from];
      if (sequence.nameless[from] && blocks > 0) nameless[row * blocks + Math.floor(t / every)] = 1;
      from++;
      targets[at] = sequence.tokens[from];
      weights[at] = sequence.weights[from];
    }
  }
  return {
    rows: sequences.length,
    length,
    ids,
    targets,
    weights,
    kinds: sequences.map(({ kind }) => kind),
    nameless,
  };
}
