import type { Tensor } from "../../device/device.ts";
import type { Attend, LayerInput, State, Step, StepOptions } from "../mechanism.ts";
import { countUp } from "../rotations.ts";
import { replaceNothing, usageWithoutBlocks } from "../state_usage.ts";
import { type StepGuard, stepGuard } from "../step_guard.ts";
import { copyOfInfini, type InfiniParts } from "./parts.ts";
import { type Beside, GATE, START } from "./plan.ts";
import { saveInfiniState } from "./snapshot.ts";

/** A state whose memory may be beside another attention than that inside its segments. */
export interface InfiniState extends State {
  /** Steps of a state are all beside another, or none is. */
  step(count: number, options?: StepOptions & Beside): Step;
}

/** The streaming half of Infini-attention. */
export function infiniState(parts: InfiniParts): InfiniState {
  const { plan, section, memoryBytes } = parts;
  const guard = stepGuard();
  return {
    get room() {
      return plan.segment - section.length;
    },
    get local() {
      return section.length;
    },
    get length() {
      return parts.folded + section.length;
    },
    bytes: memoryBytes + section.bytes,
    usage: usageWithoutBlocks({ memoryBytes, localBytes: section.bytes }),
    mayGoAhead: true,
    step: (count, options) => beginStep(parts, count, guard, options),
    fork: () => infiniState(copyOfInfini(parts)),
    replace: replaceNothing,
    missingBytes: () => 0,
    save: () => saveInfiniState(parts),
    [Symbol.dispose]() {
      guard.end();
      parts[Symbol.dispose]();
    },
  };
}

function beginStep(
  parts: InfiniParts,
  count: number,
  guard: StepGuard,
  options: StepOptions & Beside = {},
): Step {
  const { device, plan, section, rotations } = parts;
  const { behind = 0, near } = options;
  const at = section.length + behind;
  const check = guard.begin(count, plan.segment - at, behind);
  const positions = countUp(device, 1, count, at);
  const starts = new Map<number, Tensor>();
  /** Writes a layer's keys and values behind those of the section. */
  const append = (layer: number, input: LayerInput): void => {
    const [k, own] = [input.k(), (x: Tensor): Tensor => device.view(x, at, count)];
    device.copy(k, own(section.rawKeys[layer]));
    if (!near) device.rope(k, positions, rotations, own(section.keys[layer]));
    device.copy(input.v(), own(section.values[layer]));
    if (parts.folded === 0 && plan.learnedStart) starts.set(layer, input.own(START));
  };
  /** Attention inside the segment. */
  const inside: Attend = (ops, layer, input) => {
    const grid = (x: Tensor): Tensor => device.reshape(x, [1, ...x.shape]);
    const upTo = (x: Tensor): Tensor => grid(device.view(x, 0, at + count));
    const q = input.q();
    const turned = grid(ops.rope(q, positions, rotations));
    const [keys, values] = [upTo(section.keys[layer]), upTo(section.values[layer])];
    return device.reshape(ops.windowAttention(turned, keys, values), q.shape);
  };
  return {
    count,
    reads: [],
    async attend(ops, layer, input) {
      check();
      append(layer, input);
      const local = await (near ?? inside)(ops, layer, input);
      const memory = starts.get(layer) ?? (parts.folded > 0 ? parts.memories[layer] : undefined);
      if (memory === undefined) return local;
      const out = ops.input(local.shape);
      device.infiniRead(input.q(), local, input.own(GATE), memory, out, plan.options);
      return out;
    },
    remember(layer, input) {
      check();
      append(layer, input);
    },
    async commit() {
      check(section.length === at);
      check.close();
      section.length += count;
      if (section.length === plan.segment) fold(parts, starts);
      await Promise.resolve();
    },
    [Symbol.dispose]() {
      check.close();
      positions[Symbol.dispose]();
    },
  };
}

/** Writes the full segment to the memory, and begins the next one. */
function fold(parts: InfiniParts, starts: ReadonlyMap<number, Tensor>): void {
  const { device, plan, memories, remainders, section } = parts;
  for (const [layer, memory] of memories.entries()) {
    const start = starts.get(layer);
    if (start) device.copy(start, memory);
    const [keys, values] = [section.rawKeys[layer], section.values[layer]];
    device.infiniWrite(keys, values, memory, remainders[layer], plan.options);
  }
  parts.folded += plan.segment;
  section.length = 0;
}
