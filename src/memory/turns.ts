/** A queue: whoever comes waits for those who came before. */
export interface Turns {
  /** Whether somebody has the turn, or waits for it. */
  readonly busy: boolean;
  /** Waits for one's turn, which lasts to the end of its scope. */
  take(): Promise<Disposable>;
}

/** An empty queue. */
export function createTurns(): Turns {
  let last: Promise<void> = Promise.resolve();
  let count = 0;
  return {
    get busy() {
      return count > 0;
    },
    async take() {
      const before = last;
      const { promise, resolve } = Promise.withResolvers<void>();
      last = promise;
      count++;
      await before;
      let open = true;
      return {
        [Symbol.dispose]() {
          if (!open) return;
          open = false;
          count--;
          resolve();
        },
      };
    },
  };
}
