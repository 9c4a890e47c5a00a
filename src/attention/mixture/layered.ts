import type { MemoryOptions } from "../../memory/options.ts";
import type {
  Attend,
  BatchAttention,
  LayerInput,
  Mechanism,
  State,
  StateOptions,
  Step,
} from "../mechanism.ts";
import {
  capabilitiesTogether,
  emptyTogether,
  restoreTogether,
  stateTogether,
  stepTogether,
} from "./together.ts";

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
  const withOptions = (options: StateOptions) =>
    parts.map((part) => ({ mechanism: part.mechanism, options: optionsOf(part, options) }));
  return {
    name: all.map(({ name }) => name).join("+"),
    capabilities: capabilitiesTogether(all),
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
    state: (device, options) => layeredState(route, emptyTogether(device, withOptions(options))),
    restore: async (device, saved, options) =>
      layeredState(route, await restoreTogether(device, saved, withOptions(options))),
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
  return stateTogether(states, (states, count, options) => {
    using stack = new DisposableStack();
    const steps = states.map((state) => stack.use(state.step(count, options)));
    stack.move();
    return layeredStep(route, steps);
  });
}

function layeredStep({ parts, partOf, inner }: Route, steps: readonly Step[]): Step {
  const bounded = (i: number): boolean => parts[i].mechanism.capabilities.boundedState;
  const order = [...steps.keys()].sort((a, b) => +bounded(a) - +bounded(b));
  return stepTogether(order.map((i) => steps[i]), {
    attend: (ops, layer, input) => steps[partOf(layer)].attend(ops, inner(layer), input),
    remember: (layer: number, input: LayerInput) =>
      steps[partOf(layer)].remember(inner(layer), input),
    get reads() {
      return steps.flatMap(({ reads }, i) =>
        reads.map((read) => ({ ...read, layer: parts[i].layers[read.layer] }))
      );
    },
  });
}
