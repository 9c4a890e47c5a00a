/** Landmarks, documents and padding for tests. */

import type { BlockPlan } from "../src/device/device.ts";
import type { Random } from "./random.ts";

/** A landmark at every M-th of `keys` keys. */
export function regular(keys: number, M: number): BlockPlan {
  return { isLandmark: Uint8Array.from({ length: keys }, (_, j) => j % M === M - 1 ? 1 : 0) };
}

/** Landmarks at the given keys. */
export function landmarksAt(keys: number, places: readonly number[]): BlockPlan {
  return { isLandmark: Uint8Array.from({ length: keys }, (_, j) => places.includes(j) ? 1 : 0) };
}

/** Documents of these lengths, one after another. */
export function documentsOf(lengths: readonly number[]): Int32Array {
  return Int32Array.from(lengths.flatMap((length, i) => new Array(length).fill(10 - i)));
}

/** 0 in [from, end) of each row: padding. */
export function absent(keys: number, rows: readonly (readonly [number, number])[]): Uint8Array {
  return Uint8Array.from(
    rows.flatMap(([from, end]) =>
      Array.from({ length: keys }, (_, j) => j >= from && j < end ? 0 : 1)
    ),
  );
}

/** Anything that a plan may be: rows that differ, in all three respects. */
export function randomPlan(random: Random, rows: number, keys: number): BlockPlan {
  const sparseness = random.integer(2, 20);
  const all = rows * keys;
  const isLandmark = Uint8Array.from(
    random.integers(all, 1, sparseness),
    (x) => x === 1 ? 1 : 0,
  );
  const document = new Int32Array(all);
  for (let j = 1; j < all; j++) {
    document[j] = document[j - 1] + (j % keys > 0 && random.uniform() < 0.03 ? 1 : 0);
  }
  const present = Uint8Array.from(random.integers(all, 1, 12), (x) => x === 1 ? 0 : 1);
  return {
    isLandmark,
    ...(random.uniform() < 0.5 && { document }),
    ...(random.uniform() < 0.5 && { present }),
  };
}
