import type { StoredPieces } from "./block_store.ts";

/**
 * Blocks that are stored, but whose bytes the device still owes: a device that is far away computes
 * steps behind, and who reads a text need not wait for what nobody looks at yet.
 */
export interface Arrivals {
  /** Writes a block's pieces once they are there, unless it is forgotten before. */
  expect(
    slot: number,
    pieces: StoredPieces | Promise<StoredPieces>,
    write: (pieces: StoredPieces) => Promise<void>,
  ): void;
  /** Waits until at most so many are owed. @throws What went wrong with one. */
  settle(most: number): Promise<void>;
  /** The block of this slot is of no use any more. */
  forget(slot: number): void;
}

/** Nothing is owed. */
export function arrivals(): Arrivals {
  const owed = new Map<number, Promise<void>>();
  return {
    expect(slot, pieces, write) {
      const arrival = arrive();
      owed.set(slot, arrival);
      // Whoever settles is told.
      arrival.catch(() => {});

      async function arrive(): Promise<void> {
        const bytes = await pieces;
        if (owed.get(slot) !== arrival) return;
        await write(bytes);
        if (owed.get(slot) === arrival) owed.delete(slot);
      }
    },
    async settle(most) {
      while (owed.size > most) {
        const [first] = owed.values();
        await first;
      }
    },
    forget: (slot) => void owed.delete(slot),
  };
}
