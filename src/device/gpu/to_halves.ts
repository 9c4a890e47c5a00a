import factor from "../../../wgsl/half_factor.wgsl" with { type: "text" };
import mostSource from "../../../wgsl/half_most.wgsl" with { type: "text" };
import source from "../../../wgsl/to_halves.wgsl" with { type: "text" };
import { sizeOf, type Tensor } from "../device.ts";
import { type GpuHost, spread } from "./host.ts";

const most = { name: "half_most", source: mostSource };
const toHalvesKernel = { name: "to_halves", source: factor + source };

const THREADS = 256;
/** Fours that a thread looks at, and workgroups that look at most. */
const LOOKS = 8;
const LOOKERS = 1024;

/** Where the largest number of a tensor is kept: an i32 [n] that starts with zeros, and a place. */
export interface Scale {
  readonly most: Tensor;
  readonly slot: number;
}

/** Whether {@linkcode toHalves} takes a tensor: whole fours, from a multiple of four on. */
export function hasFours(host: GpuHost, tensor: Tensor): boolean {
  return sizeOf(tensor.shape) % 4 === 0 && host.offset(tensor) % 4 === 0;
}

/**
 * A copy of x, f32, as f16. With a scale its largest number becomes 8 … 16, by a power of two, and
 * kernels that take the scale divide their results by it; so small gradients stay what they are.
 */
export function toHalves(host: GpuHost, x: Tensor, scale?: Scale): Tensor {
  const fours = sizeOf(x.shape) / 4;
  using nothing = host.tensor([1], { dtype: "i32" });
  const { most: kept, slot } = scale ?? { most: nothing, slot: 0 };
  const halves = host.tensor(x.shape, { dtype: "f16", zero: false });
  if (fours === 0) return halves;
  if (scale) {
    const groups = Math.min(LOOKERS, Math.ceil(fours / THREADS / LOOKS));
    host.run(most, { tensors: [x, kept], params: [slot, fours], groups: [groups] });
  }
  host.run(toHalvesKernel, {
    tensors: [x, kept, halves],
    params: [slot, fours],
    groups: spread(host, Math.ceil(fours / THREADS)),
  });
  return halves;
}
