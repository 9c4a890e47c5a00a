import factor from "../../../wgsl/half_factor.wgsl" with { type: "text" };
import mostSource from "../../../wgsl/half_most.wgsl" with { type: "text" };
import source from "../../../wgsl/to_halves.wgsl" with { type: "text" };
import { sizeOf, type Tensor } from "../device.ts";
import type { GpuHost } from "./host.ts";

const most = { name: "half_most", source: mostSource };
const toHalvesKernel = { name: "to_halves", source: factor + source };

const THREADS = 256;
/** Fours that a thread looks at, and workgroups that look at most. */
const LOOKS = 4;
const LOOKERS = 1024;

/** A tensor's numbers as halves. */
export interface Halves extends Disposable {
  /** f16, of the tensor's size: [n]. */
  readonly numbers: Tensor;
  /** i32 [1]: the bits of the largest number, which says what they were multiplied by. */
  readonly most: Tensor;
}

/** Whether {@linkcode toHalves} takes a tensor: whole fours, from a multiple of four on. */
export function hasFours(host: GpuHost, tensor: Tensor): boolean {
  return sizeOf(tensor.shape) % 4 === 0 && host.offset(tensor) % 4 === 0;
}

/**
 * A copy of x, f32, as f16. If it is scaled, its largest number becomes 8 … 16, by a power of two,
 * and kernels that take `most` divide their results by it; so small gradients stay what they are.
 */
export function toHalves(host: GpuHost, x: Tensor, { scaled }: { scaled: boolean }): Halves {
  const size = sizeOf(x.shape);
  const fours = size / 4;
  const groups = Math.max(1, Math.min(LOOKERS, Math.ceil(fours / THREADS / LOOKS)));
  using stack = new DisposableStack();
  const numbers = stack.use(host.tensor([size], { dtype: "f16", zero: false }));
  const whole = stack.use(host.tensor([1], { dtype: "i32", zero: false }));
  using parts = host.tensor([groups], { dtype: "i32", zero: false });
  if (scaled) {
    host.run(most, { tensors: [x, parts], params: [fours], groups: [groups] });
  }
  host.run(toHalvesKernel, {
    tensors: [x, parts, numbers, whole],
    params: [fours, scaled ? groups : 0],
    groups: [groups],
  });
  const owned = stack.move();
  return { numbers, most: whole, [Symbol.dispose]: () => owned.dispose() };
}
