import { createPlaces, type Tier } from "./tier.ts";

/** Options of {@linkcode hostTier}. */
export interface HostTierOptions {
  /** Memory is taken in parts of at most this. @default {4 MiB} */
  segmentBytes?: number;
}

/**
 * Pieces in buffers of the host, outside WebAssembly's memory, so that its 4 GiB are no limit.
 * Memory is taken in segments as it fills, never copied as it grows, and kept until the end.
 */
export function hostTier(
  pieceBytes: number,
  budgetBytes: number,
  options: HostTierOptions = {},
): Tier {
  const { segmentBytes = 2 ** 22 } = options;
  const capacity = Math.floor(budgetBytes / pieceBytes);
  const perSegment = Math.max(1, Math.min(capacity, Math.floor(segmentBytes / pieceBytes)));
  const places = createPlaces("host", capacity);
  const segments: Uint8Array[] = [];
  const at = (place: number): Uint8Array => {
    const from = place % perSegment * pieceBytes;
    return segments[Math.floor(place / perSegment)].subarray(from, from + pieceBytes);
  };
  const take = (count: number): number[] => {
    const taken = places.take(count);
    try {
      while (segments.length * perSegment < places.end) {
        segments.push(new Uint8Array(perSegment * pieceBytes));
      }
    } catch (error) {
      places.give(taken); // the machine has less memory than the budget
      throw error;
    }
    return taken;
  };
  return {
    name: "host",
    capacity,
    get bytes() {
      return segments.length * perSegment * pieceBytes;
    },
    get count() {
      return places.count;
    },
    take,
    write(taken, pieces) {
      taken.forEach((place, i) => at(place).set(pieces[i]));
      return Promise.resolve();
    },
    get: (wanted) => Promise.resolve(wanted.map(at)),
    delete: (given) => places.give(given),
    [Symbol.dispose]: () => void segments.splice(0),
  };
}
