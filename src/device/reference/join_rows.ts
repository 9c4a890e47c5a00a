import type { Reals } from "./tensors.ts";

/** out [B, m + n, …] = a [B, m, …] and b [B, n, …]; in each of B, rows of a, then those of b. */
export function joinRows(a: Reals, b: Reals, out: Reals): void {
  const B = out.shape[0];
  const [first, second] = [a.data.length / B, b.data.length / B];
  for (let at = 0; at < B; at++) {
    const to = at * (first + second);
    out.data.set(a.data.subarray(at * first, (at + 1) * first), to);
    out.data.set(b.data.subarray(at * second, (at + 1) * second), to + first);
  }
}

/** dPart [B, m, …] += dOut [B, S, …], m rows of it from row `from` on. */
export function joinRowsBackward(dOut: Reals, dPart: Reals, from: number): void {
  const [B, m] = dPart.shape;
  const S = dOut.shape[1];
  const width = dOut.data.length / (B * S);
  for (let i = 0; i < dPart.data.length; i++) {
    const at = Math.floor(i / (m * width));
    dPart.data[i] += dOut.data[i + (at * (S - m) + from) * width];
  }
}
