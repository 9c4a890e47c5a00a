/**
 * Zeros that nobody writes before they are needed. Gradients begin as zeros for operations to add
 * to; where the first one writes all of them, it need not read them, and they were never written.
 */

import { sizeOf, type Tensor } from "../device.ts";
import type { WholeHost } from "./gpu_host.ts";
import { type GpuTensor, SIZE_BYTES } from "./gpu_tensor.ts";

/** Makes all numbers zeros, later, if the tensor is all of its storage; says whether it is. */
export function oweZeros(tensor: GpuTensor): boolean {
  const whole = isWhole(tensor);
  if (whole) tensor.storage.owesZeros = true;
  return whole;
}

/** Writes the zeros of a tensor that is going to be read, or written in part. */
export function payZeros({ commands }: WholeHost, { storage }: GpuTensor): void {
  if (!storage.owesZeros) return;
  storage.owesZeros = false;
  commands.clear(storage.buffer, Math.ceil(storage.bytes / 4) * 4);
}

/** As {@linkcode GpuHost.takesZeros} has it. */
export function takeZeros(
  host: WholeHost,
  outs: readonly Tensor[],
  inputs: readonly Tensor[],
): boolean {
  const storages = outs.map((out) => host.inside(out).storage);
  const others = [...inputs.map((input) => host.inside(input).storage), ...storages];
  const takes = outs.every((out) => isWhole(host.inside(out))) &&
    storages.every((storage) =>
      storage.owesZeros && others.indexOf(storage) === others.lastIndexOf(storage)
    );
  if (takes) { for (const storage of storages) storage.owesZeros = false; }
  return takes;
}

function isWhole({ dtype, shape, storage }: GpuTensor): boolean {
  return sizeOf(shape) * SIZE_BYTES[dtype] === storage.bytes;
}
