import type { Device, Tensor } from "../device/device.ts";
import type { MemoryPlan } from "./options.ts";

/**
 * The tokens since the last border, in every layer: keys without position, keys rotated where they
 * stand, and values, f32 [chunk, G, D] each. Rows from `length` on hold what a step wrote that was
 * not committed.
 *
 * Stored keys are rotated from those without position, not turned back: equal keys must stay equal
 * to the last bit, as the landmarks' are in the first layer, where only their order breaks the tie.
 */
export interface Section extends Disposable {
  length: number;
  readonly bytes: number;
  readonly rawKeys: readonly Tensor[];
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
  /** All layers, one behind the other, f32 [layers · chunk, G, D]: what is above are views on it. */
  readonly whole: { readonly rawKeys: Tensor; readonly values: Tensor };
  /** Becomes what the other is. */
  set(other: Section): void;
  /** A copy. */
  fork(): Section;
}

/** An empty section. */
export function section(device: Device, plan: Pick<MemoryPlan, "heads" | "chunk">): Section {
  const { layers, kvHeads, headDim } = plan.heads;
  using stack = new DisposableStack();
  const before = device.bytes;
  const make = (): Tensor => stack.use(device.tensor([layers * plan.chunk, kvHeads, headDim]));
  const byLayer = (x: Tensor): Tensor[] =>
    Array.from({ length: layers }, (_, layer) => device.view(x, layer * plan.chunk, plan.chunk));
  const whole = { rawKeys: make(), values: make() };
  const [rawKeys, keys, values] = [whole.rawKeys, make(), whole.values].map(byLayer);
  const bytes = device.bytes - before;
  const owned = stack.move();
  const self: Section = {
    length: 0,
    bytes,
    rawKeys,
    keys,
    values,
    whole,
    set(other) {
      self.length = other.length;
      if (self.length === 0) return;
      const copy = (from: Tensor, to: Tensor): void =>
        device.copy(device.view(from, 0, self.length), device.view(to, 0, self.length));
      for (let layer = 0; layer < layers; layer++) {
        copy(other.rawKeys[layer], rawKeys[layer]);
        copy(other.keys[layer], keys[layer]);
        copy(other.values[layer], values[layer]);
      }
    },
    fork() {
      const other = section(device, plan);
      other.set(self);
      return other;
    },
    [Symbol.dispose]: () => owned.dispose(),
  };
  return self;
}
