/** Numbers that look random and follow from their seed alone, on every machine. */
export interface Random {
  /** Uniform in [0, 1), 32 bits. */
  next(): number;
  /** A whole number in [0, bound). */
  below(bound: number): number;
  /** A whole number in [least, most]. */
  between(least: number, most: number): number;
  /** True with this probability. */
  chance(probability: number): boolean;
  pick<Item>(items: ArrayLike<Item>): Item;
  /** Puts the items in random order, in place. */
  shuffle<Item>(items: Item[]): Item[];
  /** Normal, mean 0, deviation 1. */
  normal(): number;
}

/**
 * Makes a source of random numbers (Chris Doty-Humphrey's sfc32, public domain).
 *
 * There is no state to save: what belongs to step n is drawn from `random(seed, n)`, so that step n
 * is the same whether or not the steps before it ran in this process. What recipes make depends on
 * these very numbers, as sampled texts do on those of `seededUniform()`: neither takes the other's.
 *
 * @param seed Whole numbers; different lists give unrelated streams.
 */
export function random(...seed: number[]): Random {
  const next32 = sfc32(seed);
  const next = (): number => next32() / 2 ** 32;
  const below = (bound: number): number => Math.floor(next() * bound);
  return {
    next,
    below,
    between: (least, most) => least + below(most - least + 1),
    chance: (probability) => next() < probability,
    pick: (items) => items[below(items.length)],
    shuffle(items) {
      for (let i = items.length - 1; i > 0; i--) {
        const j = below(i + 1);
        [items[i], items[j]] = [items[j], items[i]];
      }
      return items;
    },
    normal() {
      // Box and Muller; 1 − next() keeps the logarithm finite.
      const radius = Math.sqrt(-2 * Math.log(1 - next()));
      return radius * Math.cos(2 * Math.PI * next());
    },
  };
}

function sfc32(seed: readonly number[]): () => number {
  const state = new Uint32Array([0x9e3779b9, 0x243f6a88, 0xb7e15162, 1]);
  const next = (): number => {
    const result = (state[0] + state[1] + state[3]) >>> 0;
    state[3] += 1;
    state[0] = state[1] ^ (state[1] >>> 9);
    state[1] = state[2] + (state[2] << 3);
    state[2] = ((state[2] << 21) | (state[2] >>> 11)) + result;
    return result;
  };
  for (const word of seed) {
    state[0] ^= word;
    state[1] ^= Math.floor(word / 2 ** 32);
    // Each word of the seed is stirred in before the next, so that (1, 2) is not (2, 1).
    for (let i = 0; i < 12; i++) next();
  }
  return next;
}
