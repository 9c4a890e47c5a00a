/** What every state asks of the steps that are begun on it. */

/** Keeps steps of one state apart: only the one that was begun last, and those it is behind, may go on. */
export interface StepGuard {
  /**
   * Begins a step of `count` tokens, of which `room` fit, behind so many that are not committed.
   *
   * @returns Call it before anything is done in the step.
   * @throws {RangeError} If they do not fit.
   */
  begin(count: number, room: number, behind?: number): StepCheck;
  /** No step may go on any more. */
  end(): void;
}

/** Throws a TypeError if the step may not go on, or what must hold for it does not. */
export interface StepCheck {
  (holds?: boolean): void;
  /** The step is over. */
  close(): void;
}

/** A guard for one state. */
export function stepGuard(): StepGuard {
  let serial = 0;
  return {
    begin(count, room, behind = 0) {
      if (!Number.isInteger(count) || count < 1 || count > room) {
        throw new RangeError(
          `Cannot begin a step as its tokens must be an integer in [1, ${room}]: ` +
            `current value is ${count}`,
        );
      }
      const own = behind > 0 ? serial : ++serial;
      let open = true;
      const check = (holds = true): void => {
        if (open && own === serial && holds) return;
        throw new TypeError("Cannot go on with a step as the memory was changed since it began");
      };
      return Object.assign(check, { close: () => void (open = false) });
    },
    end: () => void serial++,
  };
}
