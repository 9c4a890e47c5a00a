import type { Reals } from "./tensors.ts";

/** out = a + b. */
export function add(a: Reals, b: Reals, out: Reals): void {
  for (let i = 0; i < out.data.length; i++) out.data[i] = a.data[i] + b.data[i];
}
