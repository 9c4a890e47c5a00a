import { addBinding, features, memoryOf, rowOf, stored } from "./infini_memory.ts";
import type { Reals } from "./tensors.ts";

/** k and v [T, G, D], memory and remainder [G, D, D + 1]; f64 leaves nothing over. */
export function infiniWrite(
  k: Reals,
  v: Reals,
  memory: Reals,
  remainder: Reals,
  options: { delta: boolean; epsilon: number },
): void {
  const [T, G] = k.shape;
  remainder.data.forEach((x, i) => memory.data[i] += x);
  remainder.data.fill(0);
  for (let g = 0; g < G; g++) {
    const rows = Array.from({ length: T }, (_, t) => t * G + g);
    const head = memoryOf(memory, g);
    writeRows(rows.map((row) => rowOf(k, row)), rows.map((row) => rowOf(v, row)), head, options);
  }
}

/** keys and values [tokens][D], memory [D, D + 1]: one segment. */
export function writeRows(
  keys: readonly Float64Array[],
  values: readonly Float64Array[],
  memory: Float64Array,
  options: { delta: boolean; epsilon: number },
): void {
  const before = memory.slice();
  keys.forEach((key, t) => {
    const b = features(key);
    addBinding(b, stored(b, values[t], before, options), memory);
  });
}
