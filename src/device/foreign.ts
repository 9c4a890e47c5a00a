import type { Foreign } from "./device.ts";

/**
 * What is added to the scores of foreign blocks that stand for `weight` blocks each.
 *
 * @throws {RangeError} If the weight is none.
 */
export function foreignBias(operation: string, { weight = 1 }: Foreign): number {
  if (weight > 0 && weight < Infinity) return Math.log(weight);
  throw new RangeError(
    `Cannot run ${operation} as foreign.weight must be a number above 0: current value is ${weight}`,
  );
}
