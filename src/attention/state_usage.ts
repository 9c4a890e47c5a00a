import type { State, StateUsage } from "./mechanism.ts";

/** For states that have no blocks to put others in the place of. */
export const replaceNothing: State["replace"] = () =>
  Promise.reject(
    new RangeError(
      "Cannot replace tokens as every layer must remember by blocks: the memory mixes what it reads",
    ),
  );

/** What a state without blocks holds. */
export function usageWithoutBlocks(usage: Partial<StateUsage>): StateUsage {
  return {
    blocks: 0,
    localBytes: 0,
    memoryBytes: 0,
    landmarkBytes: 0,
    poolBytes: 0,
    hostBytes: 0,
    fileBytes: 0,
    tableBytes: 0,
    bytesPerToken: 0,
    demotedBlocks: 0,
    evictedBlocks: 0,
    scanMs: 0,
    readMs: 0,
    ...usage,
  };
}

/** What several states hold together. */
export function usageTogether(usages: readonly StateUsage[]): StateUsage {
  const sum = { ...usageWithoutBlocks({}) } as Record<keyof StateUsage, number>;
  for (const usage of usages) {
    for (const name of Object.keys(sum) as (keyof StateUsage)[]) sum[name] += usage[name];
  }
  return sum;
}
