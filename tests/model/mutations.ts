import { randomFrom } from "../random.ts";

/** Options of {@linkcode checkMutations}. */
export interface MutationOptions {
  seed: number;
  /** How many altered copies to try. */
  count: number;
  /** Only bytes before this one are altered (bits flipped, spliced); the end is always cut. */
  within?: number;
}

/**
 * Gives altered copies of a file to a parser: cut, padded, bits flipped, bytes overwritten, pieces
 * copied elsewhere or taken out. The parser may succeed or throw the expected error, nothing else.
 */
export async function checkMutations(
  original: Uint8Array,
  { seed, count, within = original.length }: MutationOptions,
  parse: (bytes: Uint8Array<ArrayBuffer>) => void | Promise<void>,
  // deno-lint-ignore no-explicit-any
  expected: new (...parameters: any[]) => Error,
): Promise<{ refused: number }> {
  const random = randomFrom(seed);
  const at = () => random.integer(0, Math.max(0, Math.min(within, original.length) - 1));
  const changes: ((bytes: Uint8Array) => Uint8Array)[] = [
    (bytes) => bytes.slice(0, random.integer(0, bytes.length)),
    (bytes) => Uint8Array.from([...bytes, ...random.integers(random.integer(1, 9), 0, 255)]),
    (bytes) => {
      const copy = bytes.slice();
      for (let n = random.integer(1, 4); n > 0; n--) copy[at()] ^= 1 << random.integer(0, 7);
      return copy;
    },
    (bytes) => {
      // Digits make numbers that are still numbers; the others break the structure.
      const copy = bytes.slice();
      const characters = new TextEncoder().encode('0123456789-.e,:[]{}" \\nul');
      copy[at()] = characters[random.integer(0, characters.length - 1)];
      return copy;
    },
    (bytes) => {
      const copy = bytes.slice();
      const length = random.integer(1, 60);
      copy.copyWithin(at(), at(), at() + length);
      return copy;
    },
    (bytes) => {
      const from = at();
      const to = from + random.integer(1, 40);
      return Uint8Array.from([...bytes.subarray(0, from), ...bytes.subarray(to)]);
    },
  ];
  let refused = 0;
  for (let i = 0; i < count; i++) {
    let bytes = original;
    const rounds = random.integer(1, 2);
    for (let n = 0; n < rounds; n++) bytes = changes[random.integer(0, changes.length - 1)](bytes);
    try {
      await parse(bytes.slice());
    } catch (error) {
      refused++;
      if (error instanceof expected) continue;
      throw new Error(`Mutation ${i} of seed ${seed} gave an unexpected error`, { cause: error });
    }
  }
  return { refused };
}
