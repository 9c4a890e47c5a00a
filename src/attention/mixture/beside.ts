import type { InfiniMechanism } from "../infini/mechanism.ts";
import type { InfiniState } from "../infini/state.ts";
import type { LayerInput, Mechanism, State, StateOptions, Step } from "../mechanism.ts";
import {
  type BeginTogether,
  capabilitiesTogether,
  emptyTogether,
  restoreTogether,
  stateTogether,
  stepTogether,
} from "./together.ts";

/**
 * Where gates of a memory begin that is beside what works without it: σ = 0.12. From the middle on,
 * half of every head is first a memory that holds nothing yet (docs/mechanisms.md has both).
 */
export const BESIDE_GATE = -2;

/**
 * The memory of Infini-attention beside another mechanism, in the same layers: for each head
 * out = σ(β)·memory + (1 − σ(β))·what the other gives. The memory takes in every token, markers
 * included, segment by segment; until the first one is written there is the other alone.
 *
 * @param near Must read rows whole.
 */
export function besideMechanism(near: Mechanism, memory: InfiniMechanism): Mechanism {
  const parts = (options: StateOptions) =>
    [near, memory].map((mechanism) => ({ mechanism, options }));
  return {
    name: `${near.name} beside ${memory.name}`,
    capabilities: capabilitiesTogether([near, memory]),
    marker: near.marker,
    parameters: (layer) => new Map([...near.parameters(layer), ...memory.parameters(layer)]),
    batch(device, batch) {
      const whole = { ...batch, whole: true };
      using stack = new DisposableStack();
      const { windows: [window] } = stack.use(near.batch(device, whole));
      const { attend } = window.begin();
      const { windows } = stack.use(memory.batch(device, { ...whole, near: attend }));
      const owned = stack.move();
      return {
        windows: windows.map((each) => ({ ...each, begin: () => onlyOnce(each.begin()) })),
        [Symbol.dispose]: () => owned.dispose(),
      };
    },
    state: (device, options) => stateTogether(emptyTogether(device, parts(options)), beginBeside),
    restore: async (device, saved, options) =>
      stateTogether(await restoreTogether(device, saved, parts(options)), beginBeside),
  };
}

/** A step on what is near, and one on the memory beside it. */
const beginBeside: BeginTogether = (states, count, options) => {
  const [near, memory] = states as [State, InfiniState];
  using stack = new DisposableStack();
  const first = stack.use(near.step(count, options));
  const second = memory.step(count, { ...options, near: first.attend });
  stack.move();
  return stepTogether([first, second], {
    attend: onlyOnce(second).attend,
    remember(layer, input) {
      const once = computedOnce(input);
      for (const step of [first, second]) step.remember(layer, once);
    },
    get reads() {
      return first.reads;
    },
  });
};

/** Attention for which queries, keys and values are made once, though both ask for them. */
function onlyOnce<Pass extends Pick<Step, "attend">>(pass: Pass): Pass {
  return {
    ...pass,
    attend: (ops, layer, input) => pass.attend(ops, layer, computedOnce(input)),
  };
}

function computedOnce(input: LayerInput): LayerInput {
  const [q, k, v] = [once(input.q), once(input.k), once(input.v)];
  return { ...input, q, k: (x) => x ? input.k(x) : k(), v: (x) => x ? input.v(x) : v() };
}

function once<Result>(make: () => Result): () => Result {
  let made: Result | undefined;
  return () => made ??= make();
}
