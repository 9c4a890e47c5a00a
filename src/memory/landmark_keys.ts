import type { Device, Numbers, Tensor } from "../device/device.ts";
import type { MemoryPlan } from "./options.ts";

/** Slots of the first tensor; every further one doubles what there is, so that few are enough. */
const FIRST = 256;

/**
 * The landmarks' keys of the layers with a long memory, rotated at M − 1: always on the device, as
 * every choice looks at all of them. Slot s is row s of a layer's segments; they are added as
 * slots are used, and never copied.
 */
export interface LandmarkKeys extends Disposable {
  readonly bytes: number;
  /** f32 [256, G, D], then as many rows as all before; a layer without a long memory has none. */
  segments(layer: number): readonly Tensor[];
  /** The key of one slot, f32 [1, G, D]. */
  at(layer: number, slot: number): Tensor;
  /** Makes room for a slot. */
  reserve(slot: number): void;
  write(layer: number, slot: number, keys: Numbers): void;
}

/** No keys. */
export function landmarkKeys(device: Device, plan: MemoryPlan): LandmarkKeys {
  const { kvHeads, headDim } = plan.heads;
  const layers = plan.isLong.map((): Tensor[] => []);
  let bytes = 0;
  const at = (layer: number, slot: number): Tensor =>
    device.view(layers[layer][segmentOf(slot)], slot - startOf(segmentOf(slot)), 1);
  return {
    get bytes() {
      return bytes;
    },
    segments: (layer) => layers[layer],
    at,
    reserve(slot) {
      const before = device.bytes;
      layers.forEach((segments, layer) => {
        while (plan.isLong[layer] && startOf(segments.length) <= slot) {
          const rows = startOf(segments.length + 1) - startOf(segments.length);
          segments.push(device.tensor([rows, kvHeads, headDim]));
        }
      });
      bytes += device.bytes - before;
    },
    write: (layer, slot, keys) => device.write(at(layer, slot), keys),
    [Symbol.dispose]() {
      for (const segments of layers) {
        for (const segment of segments.splice(0)) segment[Symbol.dispose]();
      }
      bytes = 0;
    },
  };
}

/** Which segment a slot lies in. */
function segmentOf(slot: number): number {
  return slot < FIRST ? 0 : Math.floor(Math.log2(slot / FIRST)) + 1;
}

/** The first slot of a segment. */
function startOf(segment: number): number {
  return segment === 0 ? 0 : FIRST * 2 ** (segment - 1);
}
