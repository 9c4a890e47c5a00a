/**
 * The byte n-gram that a trained model has to beat: interpolated Kneser–Ney (Kneser & Ney 1995;
 * Chen & Goodman, "An Empirical Study of Smoothing Techniques for Language Modeling", 1999), one
 * discount an order, down to the uniform distribution over 256 bytes.
 */
export interface ByteModel {
  /** How likely `byte` comes after `history`, of which the last order − 1 bytes count. */
  probability(history: Uint8Array, byte: number): number;
}

/** What was seen after one context. */
interface Seen {
  total: number;
  /** How many different bytes. */
  types: number;
}

/** The n-grams of one order. Keys are the bytes in base 256: up to six are exact in a number. */
interface Order {
  readonly counts: Map<number, number>;
  readonly contexts: Map<number, Seen>;
  readonly discount: number;
}

/** Options of {@linkcode kneserNey}. */
export interface KneserNeyOptions {
  /** Bytes an n-gram, 1 to 6. @default {5} */
  order?: number;
}

/** Learns from a text. */
export function kneserNey(text: Uint8Array, options: KneserNeyOptions = {}): ByteModel {
  const { order: highest = 5 } = options;
  if (!Number.isInteger(highest) || highest < 1 || highest > 6) {
    throw new RangeError(
      `Cannot count n-grams as order must be an integer in [1, 6]: current value is ${highest}`,
    );
  }
  // Only the highest order counts how often an n-gram occurs; a lower one counts after how many
  // different bytes it does, which is the n-gram types of the order above that end in it.
  let counts = countNGrams(text, highest);
  const orders: Order[] = [];
  for (let n = highest; n >= 1; n--) {
    orders[n] = finishOrder(counts);
    counts = countEndings(counts, n);
  }
  return {
    probability(history, byte) {
      let probability = 1 / 256;
      for (let n = 1; n <= Math.min(highest, history.length + 1); n++) {
        const context = keyOf(history, history.length - (n - 1), n - 1);
        const seen = orders[n].contexts.get(context);
        // A context that never occurred: neither did a longer one.
        if (seen === undefined) break;
        const count = orders[n].counts.get(context * 256 + byte) ?? 0;
        const { discount } = orders[n];
        probability = (Math.max(count - discount, 0) + discount * seen.types * probability) /
          seen.total;
      }
      return probability;
    },
  };
}

/** The mean of −log2 p over the bytes from `from` on, each after all that come before it. */
export function bitsPerByte(model: ByteModel, text: Uint8Array, from = 0): number {
  let bits = 0;
  for (let i = from; i < text.length; i++) {
    bits -= Math.log2(model.probability(text.subarray(Math.max(0, i - 8), i), text[i]));
  }
  return bits / (text.length - from);
}

function countNGrams(text: Uint8Array, n: number): Map<number, number> {
  const counts = new Map<number, number>();
  for (let i = 0; i + n <= text.length; i++) {
    const key = keyOf(text, i, n);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

function countEndings(counts: ReadonlyMap<number, number>, n: number): Map<number, number> {
  const endings = new Map<number, number>();
  for (const key of counts.keys()) {
    const ending = key % 256 ** (n - 1);
    endings.set(ending, (endings.get(ending) ?? 0) + 1);
  }
  return endings;
}

function finishOrder(counts: Map<number, number>): Order {
  const contexts = new Map<number, Seen>();
  let once = 0;
  let twice = 0;
  for (const [key, count] of counts) {
    if (count === 1) once++;
    if (count === 2) twice++;
    const context = Math.floor(key / 256);
    const seen = contexts.get(context) ?? { total: 0, types: 0 };
    seen.total += count;
    seen.types++;
    contexts.set(context, seen);
  }
  // Ney's estimate; with no n-gram seen once (a tiny alphabet) something must still be set aside.
  const discount = once === 0 ? 0.5 : once / (once + 2 * twice);
  return { counts, contexts, discount };
}

function keyOf(bytes: Uint8Array, at: number, count: number): number {
  let key = 0;
  for (let i = at; i < at + count; i++) key = key * 256 + bytes[i];
  return key;
}
