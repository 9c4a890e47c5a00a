/**
 * A place where pieces of stored blocks live: all of one size, found again by the place that
 * {@linkcode Tier.take} gave. A tier knows no block, layer or policy, and what it gives back are
 * the bits it was given: nothing depends on which tier a piece is in.
 */
export interface Tier extends Disposable {
  readonly name: string;
  /** Bytes that it takes up now. */
  readonly bytes: number;
  /** How many pieces it may hold. */
  readonly capacity: number;
  /** How many pieces it holds. */
  readonly count: number;
  /** Places for pieces that will be written. @throws {RangeError} If there is no room for all. */
  take(count: number): number[];
  /** Stores pieces at places that were taken. */
  write(places: readonly number[], pieces: readonly Uint8Array[]): Promise<void>;
  /** Pieces in the order asked for: valid until the tier is used again, and not to be written. */
  get(places: readonly number[]): Promise<Uint8Array[]>;
  delete(places: readonly number[]): void;
}

/** Stores pieces in a tier, all or none, and says where. */
export async function put(tier: Tier, pieces: readonly Uint8Array[]): Promise<number[]> {
  const places = tier.take(pieces.length);
  try {
    await tier.write(places, pieces);
    return places;
  } catch (error) {
    tier.delete(places);
    throw error;
  }
}

/** Which places are taken: those given back are given out again first, in their order. */
export interface Places {
  readonly count: number;
  /** One more than the largest place ever taken. */
  readonly end: number;
  take(count: number): number[];
  give(places: readonly number[]): void;
}

/** Places 0 … capacity − 1. */
export function createPlaces(name: string, capacity: number): Places {
  const free: number[] = [];
  let end = 0;
  return {
    get count() {
      return end - free.length;
    },
    get end() {
      return end;
    },
    take(count) {
      const room = capacity - end + free.length;
      if (count > room) {
        throw new RangeError(
          `Cannot store ${count} pieces in the ${name} tier as it must have room for them: ` +
            `current value is ${room} of ${capacity}`,
        );
      }
      return Array.from({ length: count }, () => free.pop() ?? end++);
    },
    give(places) {
      free.push(...places.toReversed());
    },
  };
}
