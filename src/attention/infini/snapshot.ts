import type { Device, Tensor } from "../../device/device.ts";
import { checkAbout, isCount, nextNumbers, numberBytesOf, recordOf } from "../../memory/records.ts";
import type { SavedState } from "../mechanism.ts";
import type { InfiniPlan } from "./plan.ts";
import { emptyInfiniParts, type InfiniParts, turnKeys } from "./parts.ts";

/**
 * What a saved state says of itself. Its records, for each layer: the memory and its remainder, and
 * unless the segment is empty its keys, without position, and its values, [local, G, D] each.
 */
interface About {
  readonly segment: number;
  readonly update: string;
  /** Tokens in the memory, and in the segment that is not full. */
  readonly folded: number;
  readonly local: number;
  /** Bytes of a number: 8 on the reference device. */
  readonly numberBytes: 4 | 8;
}

/** See {@linkcode State.save}. */
export function saveInfiniState(parts: InfiniParts): SavedState {
  const { device, plan, folded, section } = parts;
  const about = {
    segment: plan.segment,
    update: plan.options.update,
    folded,
    local: section.length,
    numberBytes: numberBytesOf(device),
  } satisfies About;
  return { about, records: recordsOf(parts) };
}

/** The tensors that are saved of a layer, in their order. */
function savedOf({ device, memories, remainders, section }: InfiniParts, layer: number): Tensor[] {
  const used = (x: Tensor): Tensor => device.view(x, 0, section.length);
  return [
    memories[layer],
    remainders[layer],
    ...section.length === 0 ? [] : [section.rawKeys, section.values].map((all) => used(all[layer])),
  ];
}

async function* recordsOf(parts: InfiniParts): AsyncGenerator<Uint8Array> {
  for (const layer of parts.memories.keys()) {
    for (const x of savedOf(parts, layer)) yield await recordOf(parts.device, x);
  }
}

/** The parts of the state that was saved. @throws {SnapshotError} */
export async function restoreInfiniParts(
  device: Device,
  plan: InfiniPlan,
  saved: SavedState,
): Promise<InfiniParts> {
  const { folded, local, numberBytes } = aboutOf(saved.about, plan);
  const records = saved.records[Symbol.asyncIterator]();
  using stack = new DisposableStack();
  const parts = stack.use(emptyInfiniParts(device, plan));
  parts.folded = folded;
  parts.section.length = local;
  for (const layer of parts.memories.keys()) {
    for (const x of savedOf(parts, layer)) {
      device.write(x, await nextNumbers(records, x, numberBytes));
    }
  }
  turnKeys(parts);
  stack.move();
  return parts;
}

/** @throws {SnapshotError} If a field is not what a saved state has there. */
function aboutOf(about: SavedState["about"], { segment, options }: InfiniPlan): About {
  const { folded, local } = about;
  checkAbout(about, `a memory that is written every ${segment} tokens`, [
    ["segment", about.segment === segment],
    ["update", about.update === options.update],
    ["folded", isCount(folded) && folded % segment === 0],
    ["local", isCount(local) && local < segment],
    ["numberBytes", about.numberBytes === 4 || about.numberBytes === 8],
  ]);
  return about as unknown as About;
}
