import { FROM_INITIAL, READS_NOTHING } from "../../device/infini.ts";
import type { Batch } from "../mechanism.ts";

/** How the rows of a window are cut into the segments that Infini-attention writes at once. */
export interface Segments {
  /** S, the most that a row has. */
  readonly count: number;
  /** i32 [B, S, 3]: first token, end, and kind of each, as `infiniAttention` takes them. */
  readonly table: Int32Array;
  /** i32 [B · length]: which segment a token is in, for the attention inside of segments. */
  readonly number: Int32Array;
  /** i32 [B · length]: where in its segment a token stands. */
  readonly position: Int32Array;
}

/** Where in a batch. */
export interface Stretch {
  readonly at: number;
  readonly length: number;
}

interface Cut {
  first: number;
  end: number;
  readonly kind: number;
}

/**
 * Cuts every row into segments of `size` tokens. They count from the start of a document, at which
 * the memory begins anew; padding is in none of them.
 *
 * @param learnedStart Whether there is something to read in a memory that begins.
 */
export function segmentsOf(
  { rows, length, document, present }: Batch,
  window: Stretch,
  { size, learnedStart }: { size: number; learnedStart: boolean },
): Segments {
  const cuts: Cut[][] = [];
  const number = new Int32Array(rows * window.length);
  const position = new Int32Array(number.length);
  for (let row = 0; row < rows; row++) {
    const of = (all: Int32Array | Uint8Array | undefined, t: number, fallback: number): number =>
      all === undefined ? fallback : all[all.length === length ? t : row * length + t];
    const own: Cut[] = [];
    let last: Cut | undefined = undefined as Cut | undefined;
    for (let t = window.at; t < window.at + window.length; t++) {
      const here = t - window.at;
      const at = row * window.length + here;
      number[at] = own.length;
      if (of(present, t, 1) === 0) continue;
      // The first token that is there begins a text, however much padding stands before it.
      const begins = (own.length === 0 && window.at === 0) ||
        (t > 0 && of(document, t, 0) !== of(document, t - 1, 0));
      // What follows a gap is a segment of its own.
      if (begins || last?.end !== here || here - last.first === size) {
        const kind = begins ? FROM_INITIAL + (learnedStart ? 0 : READS_NOTHING) : 0;
        own.push(last = { first: here, end: here, kind });
      }
      last.end = here + 1;
      number[at] = own.length;
      position[at] = here - last.first;
    }
    cuts.push(own);
  }
  const count = Math.max(1, ...cuts.map((own) => own.length));
  const table = new Int32Array(rows * count * 3);
  cuts.forEach((own, row) =>
    own.forEach(({ first, end, kind }, s) => table.set([first, end, kind], (row * count + s) * 3))
  );
  return { count, table, number, position };
}
