import { sizeOf, type Tensor } from "../../device/device.ts";
import type { Ops } from "../../device/ops.ts";
import type { LayerInput, State, Step, StepOptions } from "../mechanism.ts";
import { countUp } from "../rotations.ts";
import { replaceNothing, usageWithoutBlocks } from "../state_usage.ts";
import { type StepGuard, stepGuard } from "../step_guard.ts";
import { type CacheParts, copyOfCache, turnCache } from "./parts.ts";
import { attentionOptions, distancesOf, projectDistances, sinusoids } from "./plan.ts";
import { saveCacheState } from "./snapshot.ts";

/** The streaming half of Transformer-XL and of sliding windows. */
export function cacheState(parts: CacheParts): State {
  const { plan: { window, cache }, section } = parts;
  const guard = stepGuard();
  const local = (): number => section.length - cache;
  return {
    get room() {
      return window - local();
    },
    get local() {
      return local();
    },
    get length() {
      return parts.passed + local();
    },
    get bytes() {
      return section.bytes + distanceBytes(parts);
    },
    get usage() {
      return usageWithoutBlocks({ memoryBytes: distanceBytes(parts), localBytes: section.bytes });
    },
    mayGoAhead: true,
    step: (count, options) => beginStep(parts, count, guard, options),
    fork: () => cacheState(copyOfCache(parts)),
    replace: replaceNothing,
    missingBytes: () => 0,
    save: () => saveCacheState(parts),
    [Symbol.dispose]() {
      guard.end();
      parts[Symbol.dispose]();
    },
  };
}

function distanceBytes({ distances }: CacheParts): number {
  return [...distances.values()].reduce((sum, { shape }) => sum + 4 * sizeOf(shape), 0);
}

function beginStep(
  parts: CacheParts,
  count: number,
  guard: StepGuard,
  options: StepOptions = {},
): Step {
  const { device, plan, section, rotations } = parts;
  const { window, cache, positions: kind } = plan;
  const { behind = 0 } = options;
  const at = section.length + behind;
  const check = guard.begin(count, cache + window - at, behind);
  const positions = countUp(device, 1, count, at);
  const append = (layer: number, input: LayerInput): void => {
    const own = (x: Tensor): Tensor => device.view(x, at, count);
    const k = input.k();
    device.copy(k, own(section.rawKeys[layer]));
    if (kind === "rope") device.rope(k, positions, rotations, own(section.keys[layer]));
    device.copy(input.v(), own(section.values[layer]));
  };
  return {
    count,
    reads: [],
    attend(ops, layer, input) {
      check();
      append(layer, input);
      const grid = (x: Tensor): Tensor => device.reshape(x, [1, ...x.shape]);
      const seen = (x: Tensor): Tensor => grid(device.view(x, 0, at + count));
      const q = kind === "rope" ? ops.rope(input.q(), positions, rotations) : input.q();
      const keys = kind === "rope" ? section.keys : section.rawKeys;
      const out = ops.windowAttention(
        grid(q),
        seen(keys[layer]),
        seen(section.values[layer]),
        {
          ...attentionOptions(plan, input, distancesIn(parts, ops, layer, input)),
          absent: cache - parts.cached,
        },
      );
      return device.reshape(out, q.shape);
    },
    remember(layer, input) {
      check();
      append(layer, input);
    },
    async commit() {
      check(section.length === at);
      check.close();
      section.length += count;
      if (section.length === cache + window) moveOn(parts);
      await Promise.resolve();
    },
    [Symbol.dispose]() {
      check.close();
      positions[Symbol.dispose]();
    },
  };
}

function distancesIn(
  { device, plan, distances }: CacheParts,
  ops: Ops,
  layer: number,
  input: LayerInput,
): Tensor | undefined {
  if (plan.positions === "rope") return undefined;
  const known = distances.get(layer);
  if (known) return known;
  const { width } = plan.heads;
  const count = distancesOf(plan);
  const table = ops.input([count, width], { data: sinusoids(count, width) });
  const made = projectDistances(ops, plan, input, table);
  const kept = device.tensor(made.shape);
  device.copy(made, kept);
  distances.set(layer, kept);
  return kept;
}

/** The window is full: its last tokens become the cache, and the next one begins. */
function moveOn(parts: CacheParts): void {
  const { device, plan: { window, cache }, section } = parts;
  if (cache > 0) {
    // By way of another tensor, as the rows may overlap.
    using moved = device.tensor([cache, ...section.values[0].shape.slice(1)]);
    for (const x of [...section.rawKeys, ...section.values]) {
      device.copy(device.view(x, window, cache), moved);
      device.copy(moved, device.view(x, 0, cache));
    }
  }
  parts.cached = Math.min(cache, parts.cached + window);
  parts.passed += window;
  section.length = cache;
  turnCache(parts);
}
