import type { Device, Tensor } from "../../device/device.ts";
import { type Section, section } from "../../memory/section.ts";
import { countUp, rotationTable } from "../rotations.ts";
import type { CachePlan } from "./plan.ts";

/** The tokens that a text's next one may see: those of the cache, then those of the window. */
export interface CacheParts extends Disposable {
  readonly device: Device;
  readonly plan: CachePlan;
  /** f32 [cache + window, D/2, 2]. */
  readonly rotations: Tensor;
  /**
   * Rows of the cache come first, the last of them directly before the window's: with fewer tokens
   * than it has room for, the first rows are absent.
   */
  readonly section: Section;
  /** r of each layer, f32 [P, H, D], once it was asked for: weights do not change while we read. */
  readonly distances: Map<number, Tensor>;
  /** Tokens in the cache. */
  cached: number;
  /** Tokens before the window. */
  passed: number;
}

/** The parts of a state that has read nothing, or has these tokens in its window and cache. */
export function emptyCacheParts(device: Device, plan: CachePlan, tokens?: Section): CacheParts {
  const { heads, window, cache } = plan;
  using stack = new DisposableStack();
  const rotations = stack.use(device.tensor([cache + window, heads.headDim / 2, 2], {
    data: rotationTable(heads.frequencies, cache + window),
  }));
  const rows = stack.use(tokens ?? section(device, { heads, chunk: cache + window }));
  if (!tokens) rows.length = cache;
  const distances = new Map<number, Tensor>();
  stack.defer(() => {
    for (const each of distances.values()) each[Symbol.dispose]();
  });
  const owned = stack.move();
  return {
    ...{ device, plan, rotations, section: rows, distances },
    cached: 0,
    passed: 0,
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** A copy that goes on alone. */
export function copyOfCache(
  { device, plan, section, distances, cached, passed }: CacheParts,
): CacheParts {
  const copy = emptyCacheParts(device, plan, section.fork());
  for (const [layer, each] of distances) {
    const own = device.tensor(each.shape);
    device.copy(each, own);
    copy.distances.set(layer, own);
  }
  return Object.assign(copy, { cached, passed });
}

/** Turns the keys in front of the next token to where they stand. */
export function turnCache({ device, plan, section, rotations }: CacheParts): void {
  if (plan.positions !== "rope" || section.length === 0) return;
  using positions = countUp(device, 1, section.length);
  const used = (x: Tensor): Tensor => device.view(x, 0, section.length);
  for (const [layer, keys] of section.rawKeys.entries()) {
    device.rope(used(keys), positions, rotations, used(section.keys[layer]));
  }
}
