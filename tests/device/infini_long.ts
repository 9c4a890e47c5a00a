/** A long memory, and what it should hold. */

import type { Device } from "../../src/device/device.ts";
import { floatsToHalves, halvesToFloats } from "../../src/half.ts";
import type { Random } from "../random.ts";

/** Tokens that are appended again and again. */
const POOL = 8192;

/** How far a memory was off. */
export interface LongMemory {
  /** The largest error of a number, relative to the sum of its terms' sizes; NaN if one is none. */
  readonly worst: number;
  /** How often the last token, by itself, was counted in the normalizer: the worst feature. */
  readonly last: number;
}

/** Appends random tokens of one head, k and v rounded to f16, and compares with a sum in f64. */
export async function appendLong(
  device: Device,
  { tokens, segment, D, random }: { tokens: number; segment: number; D: number; random: Random },
): Promise<LongMemory> {
  const [keys, values] = [0, 1].map(() => {
    const halves = floatsToHalves(
      Float32Array.from(random.normal(POOL * D)),
      new Uint16Array(POOL * D),
    );
    return halvesToFloats(halves, new Float32Array(POOL * D));
  });
  using k = device.tensor([POOL, 1, D], { data: keys });
  using v = device.tensor([POOL, 1, D], { data: values });
  using memory = device.tensor([1, D, D + 1]);
  using remainder = device.tensor([1, D, D + 1]);
  const counts = new Float64Array(POOL);
  const append = (first: number, count: number): void => {
    device.infiniWrite(
      device.view(k, first, count),
      device.view(v, first, count),
      memory,
      remainder,
      {
        update: "linear",
      },
    );
    for (let t = first; t < first + count; t++) counts[t]++;
  };
  for (let done = 0; done < tokens;) {
    const first = done % POOL;
    const count = Math.min(segment, tokens - done, POOL - first);
    append(first, count);
    done += count;
  }
  const whole = async (): Promise<Float64Array> => {
    const rest = await device.read(remainder);
    return Float64Array.from(await device.read(memory), (x, i) => x + rest[i]);
  };
  const expected = sums(keys, values, counts, D);
  const before = await whole();
  const errors = Array.from(before, (x, i) => Math.abs(x - expected.sum[i]) / expected.size[i]);
  append(0, 1);
  const after = await whole();
  const once = Array.from({ length: D }, (_, i) => {
    const z = i * (D + 1) + D;
    return (after[z] - before[z]) / feature(keys[i]);
  });
  return {
    worst: errors.reduce((a, b) => Math.max(a, b)),
    last: once.reduce((a, b) => Math.abs(b - 1) > Math.abs(a - 1) || Number.isNaN(b) ? b : a),
  };
}

function feature(x: number): number {
  return x > 0 ? x + 1 : Math.exp(x);
}

/** What the memory [D, D + 1] is, and the same of the terms' sizes. */
function sums(
  keys: Float32Array,
  values: Float32Array,
  counts: Float64Array,
  D: number,
): { sum: Float64Array; size: Float64Array } {
  const [sum, size] = [new Float64Array(D * (D + 1)), new Float64Array(D * (D + 1))];
  for (let t = 0; t < POOL; t++) {
    for (let i = 0; i < D; i++) {
      const a = counts[t] * feature(keys[t * D + i]);
      for (let j = 0; j <= D; j++) {
        const term = j < D ? a * values[t * D + j] : a;
        sum[i * (D + 1) + j] += term;
        size[i * (D + 1) + j] += Math.abs(term);
      }
    }
  }
  return { sum, size };
}
