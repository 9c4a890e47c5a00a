import type { Device, Tensor } from "../../device/device.ts";
import { type Section, section } from "../../memory/section.ts";
import { countUp, rotationTable } from "../rotations.ts";
import type { InfiniPlan } from "./plan.ts";

/** What one text leaves behind: a memory for each layer, and the segment that is not full yet. */
export interface InfiniParts extends Disposable {
  readonly device: Device;
  readonly plan: InfiniPlan;
  /** f32 [segment, D/2, 2]. */
  readonly rotations: Tensor;
  /** Of each layer, f32 [G, D, D + 1], and what sums of f32 left out of it. */
  readonly memories: readonly Tensor[];
  readonly remainders: readonly Tensor[];
  /** Bytes of both. */
  readonly memoryBytes: number;
  /** The tokens since the last segment. */
  readonly section: Section;
  /** Tokens in the memory. */
  folded: number;
}

/** The parts of a state whose memory is empty, with these tokens behind it, or none. */
export function emptyInfiniParts(
  device: Device,
  plan: InfiniPlan,
  tokens?: Section,
): InfiniParts {
  const { heads, segment, memoryShape } = plan;
  using stack = new DisposableStack();
  const rotations = stack.use(device.tensor([segment, heads.headDim / 2, 2], {
    data: rotationTable(heads.frequencies, segment),
  }));
  const before = device.bytes;
  const make = (): Tensor[] =>
    Array.from({ length: heads.layers }, () => stack.use(device.tensor(memoryShape)));
  const [memories, remainders] = [make(), make()];
  const memoryBytes = device.bytes - before;
  const local = stack.use(tokens ?? section(device, { heads, chunk: segment }));
  const owned = stack.move();
  return {
    ...{ device, plan, rotations, memories, remainders, memoryBytes, section: local },
    folded: 0,
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** A copy that goes on alone. */
export function copyOfInfini(parts: InfiniParts): InfiniParts {
  const { device, plan, memories, remainders, section } = parts;
  const copy = emptyInfiniParts(device, plan, section.fork());
  for (const layer of memories.keys()) {
    device.copy(memories[layer], copy.memories[layer]);
    device.copy(remainders[layer], copy.remainders[layer]);
  }
  return Object.assign(copy, { folded: parts.folded });
}

/** Turns the keys of the segment to where they stand in it. */
export function turnKeys({ device, section, rotations }: InfiniParts): void {
  if (section.length === 0) return;
  using positions = countUp(device, 1, section.length);
  for (const [layer, keys] of section.rawKeys.entries()) {
    const used = (x: Tensor): Tensor => device.view(x, 0, section.length);
    device.rope(used(keys), positions, rotations, used(section.keys[layer]));
  }
}
