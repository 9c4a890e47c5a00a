import type { Tensor } from "../device.ts";
import type { GpuHost } from "./host.ts";

/**
 * Checks the integers of a tensor that the host wrote. What a kernel wrote is not read back: those
 * indices come from our own kernels.
 *
 * @throws {RangeError} If one of the indices lies outside of [low, high).
 */
export function checkIndices(
  host: GpuHost,
  operation: string,
  name: string,
  tensor: Tensor,
  [low, high]: readonly [number, number],
): void {
  const known = host.known(tensor);
  if (!known) return;
  // A plain loop: the list of all blocks is looked through at every choice.
  let i = 0;
  while (i < known.length && known[i] >= low && known[i] < high) i++;
  if (i === known.length) return;
  throw new RangeError(
    `Cannot run ${operation} as ${name} must be in [${low}, ${high}): ` +
      `current value is ${known[i]}, at ${i}`,
  );
}
