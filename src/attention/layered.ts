import type { MemoryOptions } from "../memory/options.ts";
import type {
  Attend,
  BatchAttention,
  LayerInput,
  Mechanism,
  SavedState,
  State,
  Step,
} from "./mechanism.ts";
import { replaceNothing, usageTogether } from "./state_usage.ts";

/** A mechanism and the layers that have it, which it counts from 0. */
export interface LayeredPart {
  readonly mechanism: Mechanism;
  /** Ascending. */
  readonly layers: readonly number[];
}

/** Several mechanisms in one model, each in layers of its own. */
export function layeredMechanism(parts: readonly LayeredPart[]): Mechanism {
  const all = parts.map(({ mechanism }) => mechanism);
  const partOf = (layer: number): number => parts.findIndex(({ layers }) => layers.includes(layer));
  const inner = (layer: number): number => parts[partOf(layer)].layers.indexOf(layer);
  const route = { parts, partOf, inner };
  const every = (name: keyof Mechanism["capabilities"]): boolean =>
    all.every(({ capabilities }) => capabilities[name]);
  return {
    name: all.map(({ name }) => name).join("+"),
    capabilities: {
      causal: every("causal"),
      boundedState: every("boundedState"),
      randomAccess: all.some(({ capabilities }) => capabilities.randomAccess),
    },
    marker: all.find(({ marker }) => marker)?.marker,
    parameters: (layer) =>
      layer === undefined
        ? new Map(all.flatMap((mechanism) => [...mechanism.parameters()]))
        : all[partOf(layer)].parameters(inner(layer)),
    batch(device, batch) {
      using stack = new DisposableStack();
      const attentions = all.map((each) =>
        stack.use(each.batch(device, { ...batch, whole: true }))
      );
      const owned = stack.move();
      return {
        windows: [wholeWindow(route, attentions)],
        [Symbol.dispose]: () => owned.dispose(),
      };
    },
    state(device, options) {
      using stack = new DisposableStack();
      const states = parts.map((part) =>
        stack.use(part.mechanism.state(device, optionsOf(part, options)))
      );
      stack.move();
      return layeredState(route, states);
    },
    async restore(device, saved, options) {
      using stack = new DisposableStack();
      const states: State[] = [];
      const about = saved.about.parts as SavedState["about"][];
      // One after the other reads its own from the same records.
      const records = saved.records[Symbol.asyncIterator]();
      const shared = { [Symbol.asyncIterator]: () => records };
      for (const [i, part] of parts.entries()) {
        const own = { about: about[i], records: shared };
        states.push(
          stack.use(await part.mechanism.restore(device, own, optionsOf(part, options))),
        );
      }
      stack.move();
      return layeredState(route, states);
    },
  };
}

/** Which part a layer belongs to, and which of its layers it is. */
interface Route {
  readonly parts: readonly LayeredPart[];
  partOf(layer: number): number;
  inner(layer: number): number;
}

function wholeWindow({ partOf, inner }: Route, attentions: readonly BatchAttention[]) {
  const windows = attentions.map(({ windows }) => {
    if (windows.length === 1) return windows[0];
    throw new TypeError("Cannot mix mechanisms in a model as each must read rows whole");
  });
  const { at, length } = windows[0];
  return {
    at,
    length,
    isCut: true,
    begin() {
      const passes = windows.map((window) => window.begin());
      const attend: Attend = (ops, layer, input) =>
        passes[partOf(layer)].attend(ops, inner(layer), input);
      return { attend, handed: [] };
    },
  };
}

/** Options with the layers as a part counts them. */
function optionsOf<Options extends MemoryOptions>({ layers }: LayeredPart, options: Options) {
  const { memoryLayers } = options;
  if (!memoryLayers) return options;
  const own = memoryLayers.filter((layer) => layers.includes(layer));
  return { ...options, memoryLayers: own.map((layer) => layers.indexOf(layer)) };
}

function layeredState(route: Route, states: readonly State[]): State {
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
    step: (count, options) => layeredStep(route, states.map((state) => state.step(count, options))),
    fork: () => layeredState(route, states.map((state) => state.fork())),
    replace: replaceNothing,
    missingBytes: (count) => states.reduce((sum, state) => sum + state.missingBytes(count), 0),
    save: () => savedTogether(states),
    [Symbol.dispose]() {
      for (const state of states) state[Symbol.dispose]();
    },
  };
}

function layeredStep({ parts, partOf, inner }: Route, steps: readonly Step[]): Step {
  return {
    count: steps[0].count,
    attend: (ops, layer, input) => steps[partOf(layer)].attend(ops, inner(layer), input),
    remember: (layer: number, input: LayerInput) =>
      steps[partOf(layer)].remember(inner(layer), input),
    get reads() {
      return steps.flatMap(({ reads }, i) =>
        reads.map((read) => ({ ...read, layer: parts[i].layers[read.layer] }))
      );
    },
    async commit() {
      // Those that may find no room come first: if one fails, none of the others has begun.
      const bounded = (i: number): boolean => parts[i].mechanism.capabilities.boundedState;
      for (const i of [...steps.keys()].sort((a, b) => +bounded(a) - +bounded(b))) {
        await steps[i].commit();
      }
    },
    [Symbol.dispose]() {
      for (const step of steps) step[Symbol.dispose]();
    },
  };
}

function savedTogether(states: readonly State[]): SavedState {
  const saved = states.map((state) => state.save());
  const records = async function* (): AsyncGenerator<Uint8Array> {
    for (const each of saved) yield* each.records;
  };
  return { about: { parts: saved.map(({ about }) => about) }, records: records() };
}
