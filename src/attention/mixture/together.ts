import type { Device } from "../../device/device.ts";
import type {
  Capabilities,
  Mechanism,
  SavedState,
  State,
  StateOptions,
  Step,
  StepOptions,
} from "../mechanism.ts";
import { replaceNothing, usageTogether } from "../state_usage.ts";

/** What a mechanism can do that is put together from others. */
export function capabilitiesTogether(all: readonly Mechanism[]): Capabilities {
  const every = (name: keyof Capabilities): boolean =>
    all.every(({ capabilities }) => capabilities[name]);
  return {
    causal: every("causal"),
    boundedState: every("boundedState"),
    randomAccess: all.some(({ capabilities }) => capabilities.randomAccess),
    replaceable: false,
  };
}

/** Begins a step on all states that are read together. */
export type BeginTogether = (
  states: readonly State[],
  count: number,
  options?: StepOptions,
) => Step;

/** Several states of one text as one: it has a border wherever one of them has. */
export function stateTogether(states: readonly State[], begin: BeginTogether): State {
  const [first] = states;
  return {
    get room() {
      return Math.min(...states.map(({ room }) => room));
    },
    get local() {
      return first.local;
    },
    get length() {
      return first.length;
    },
    get bytes() {
      return states.reduce((sum, { bytes }) => sum + bytes, 0);
    },
    get usage() {
      return usageTogether(states.map(({ usage }) => usage));
    },
    get mayGoAhead() {
      return states.every(({ mayGoAhead }) => mayGoAhead);
    },
    step: (count, options) => begin(states, count, options),
    fork: () => stateTogether(states.map((state) => state.fork()), begin),
    replace: replaceNothing,
    missingBytes: (count) => states.reduce((sum, state) => sum + state.missingBytes(count), 0),
    save: () => savedTogether(states),
    [Symbol.dispose]() {
      for (const state of states) state[Symbol.dispose]();
    },
  };
}

/**
 * Steps on all states as one.
 *
 * @param steps In the order in which they are committed: those that may find no room come first, so
 * that if one fails none of the others has begun.
 */
export function stepTogether(
  steps: readonly Step[],
  own: Pick<Step, "attend" | "remember" | "reads">,
): Step {
  // Not spread into a new object: what was read is known when it was committed.
  return Object.assign(own, {
    count: steps[0].count,
    async commit() {
      for (const step of steps) await step.commit();
    },
    [Symbol.dispose]() {
      for (const step of steps) step[Symbol.dispose]();
    },
  });
}

function savedTogether(states: readonly State[]): SavedState {
  const saved = states.map((state) => state.save());
  const records = async function* (): AsyncGenerator<Uint8Array> {
    for (const each of saved) yield* each.records;
  };
  return { about: { parts: saved.map(({ about }) => about) }, records: records() };
}

/** A mechanism whose state is one of several, and the options that it has. */
export interface StatePart {
  readonly mechanism: Mechanism;
  readonly options: StateOptions;
}

/** Empty states, in order. */
export function emptyTogether(device: Device, parts: readonly StatePart[]): State[] {
  using stack = new DisposableStack();
  const states = parts.map(({ mechanism, options }) => stack.use(mechanism.state(device, options)));
  stack.move();
  return states;
}

/** The states that were saved together, in order. @throws {SnapshotError} */
export async function restoreTogether(
  device: Device,
  saved: SavedState,
  parts: readonly StatePart[],
): Promise<State[]> {
  using stack = new DisposableStack();
  const states: State[] = [];
  const about = saved.about.parts as SavedState["about"][];
  // One after the other reads its own from the same records.
  const iterator = saved.records[Symbol.asyncIterator]();
  const records = { [Symbol.asyncIterator]: () => iterator };
  for (const [i, { mechanism, options }] of parts.entries()) {
    const own = { about: about[i], records };
    states.push(stack.use(await mechanism.restore(device, own, options)));
  }
  stack.move();
  return states;
}
