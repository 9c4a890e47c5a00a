import type { Reals } from "./tensors.ts";

/** out [1] += Σ x². */
export function sumSquares(x: Reals, out: Reals): void {
  let sum = 0;
  for (let i = 0; i < x.data.length; i++) sum += x.data[i] ** 2;
  out.data[0] += sum;
}
