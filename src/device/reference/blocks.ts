import type { BlockPlan, Blocks } from "../device.ts";
import { HIDDEN, type Sight, TOP } from "./grouped_softmax.ts";

/** One batch row of a plan, spelled out: every array [S]. */
interface Row {
  readonly isLandmark: Uint8Array;
  readonly document: Int32Array;
  readonly present: Uint8Array;
  /** Which block a key belongs to: it ends with a landmark, or with its document. */
  readonly block: Int32Array;
}

/** A plan made ready. */
export interface ReferenceBlocks extends Blocks {
  readonly row: readonly Row[];
  readonly freed: boolean;
}

/** Spells a plan out for `rows` rows of `keys` keys. @throws {RangeError} If it fits neither. */
export function spellOut(plan: BlockPlan, rows: number, keys: number): ReferenceBlocks {
  for (const name of ["isLandmark", "document", "present"] as const) {
    const length = plan[name]?.length ?? keys;
    if (length === keys || length === rows * keys) continue;
    throw new RangeError(
      `Cannot plan blocks as ${name} must have a length of ${keys} or ${rows} · ${keys}: ` +
        `current value is ${length}`,
    );
  }
  const rowOf = <T extends Uint8Array | Int32Array>(x: T, b: number): T =>
    (x.length === keys ? x.slice() : x.slice(b * keys, (b + 1) * keys)) as T;
  const row = Array.from({ length: rows }, (_, b) => {
    const isLandmark = rowOf(plan.isLandmark, b);
    const document = plan.document ? rowOf(plan.document, b) : new Int32Array(keys);
    const present = plan.present ? rowOf(plan.present, b) : new Uint8Array(keys).fill(1);
    return { isLandmark, document, present, block: blockOf(isLandmark, document, present) };
  });
  const blocks = {
    rows,
    keys,
    row,
    freed: false,
    [Symbol.dispose]: () => void (blocks.freed = true),
  };
  return blocks;
}

function blockOf(isLandmark: Uint8Array, document: Int32Array, present: Uint8Array): Int32Array {
  const begun: number[] = [];
  let block = 0;
  return Int32Array.from(isLandmark, (ends, j) => {
    // Padding is as if it did not exist: what document it claims to be in means nothing.
    if (present[j] && document[j] !== begun.at(-1)) {
      if (begun.includes(document[j])) {
        throw new RangeError(
          `Cannot plan blocks as a document must be contiguous: document ${document[j]} begins ` +
            `again at key ${j}`,
        );
      }
      begun.push(document[j]);
      block++;
    }
    return ends ? block++ : block;
  });
}

/**
 * What the query that stands at key i of row b sees: itself and earlier keys, of its document and
 * no padding. `extra` further entries follow the keys, hidden as yet.
 */
export function sightOf({ row, keys }: ReferenceBlocks, b: number, i: number, extra = 0): Sight {
  const { isLandmark, document, present, block } = row[b];
  const group = new Int32Array(keys + extra).fill(HIDDEN);
  const landmark = new Int32Array(block[i] + 1).fill(-1);
  const members = new Int32Array(block[i] + 1);
  for (let j = 0; j <= i; j++) {
    if (!present[i] || !present[j] || document[j] !== document[i]) continue;
    // Group 0 is the top group, 1 + n the private group of the earlier block n.
    const own = block[j] === block[i];
    if (!isLandmark[j]) group[j] = own ? TOP : 1 + block[j];
    if (!isLandmark[j] && !own) members[group[j]]++;
    if (isLandmark[j] && !own) landmark[1 + block[j]] = j;
  }
  // An earlier block without a regular token, or without its landmark, takes no part.
  for (let j = 0; j <= i; j++) if (group[j] > TOP && landmark[group[j]] < 0) group[j] = HIDDEN;
  for (let g = 1; g < landmark.length; g++) {
    if (members[g] === 0) landmark[g] = -1;
    if (landmark[g] >= 0) group[landmark[g]] = TOP;
  }
  return { group, landmark };
}
