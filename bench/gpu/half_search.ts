/** Finds the fastest way to write a kernel, one choice after another. */

/** What came of one way: undefined if it does not run. */
export type Trial<Way> = (way: Way) => Promise<number | undefined>;

/**
 * Begins with `first` and takes of each axis, a list of changes, the one that is fastest, twice over.
 * Ways are tried once each.
 */
export async function fastest<Way extends object>(
  first: Way,
  axes: readonly (readonly Partial<Way>[])[],
  trial: Trial<Way>,
): Promise<{ way: Way; ms: number }> {
  const known = new Map<string, number | undefined>();
  const time = async (way: Way): Promise<number> => {
    const key = wayName(way);
    if (!known.has(key)) known.set(key, await trial(way));
    return known.get(key) ?? Infinity;
  };
  let best = { way: first, ms: await time(first) };
  for (let round = 0; round < 2; round++) {
    for (const changes of axes) {
      for (const change of changes) {
        const way = { ...best.way, ...change };
        const ms = await time(way);
        if (ms < best.ms) best = { way, ms };
      }
    }
  }
  return best;
}

/** A way in words. */
export function wayName(way: object): string {
  return Object.entries(way).sort(([a], [b]) => a < b ? -1 : 1)
    .filter(([, value]) => value !== false)
    .map(([name, value]) => value === true ? name : `${name} ${value}`)
    .join(", ");
}
