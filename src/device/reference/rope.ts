import { type Indices, type Reals, rowAt } from "./tensors.ts";

/**
 * x and out [T, …, D], positions [T], rotations [P, D/2, 2]. With (c, s) = rotations[position, i]:
 * (x_i, x_{i+D/2}) becomes (x_i·c − x_{i+D/2}·s, x_{i+D/2}·c + x_i·s); `inverse` turns by −s.
 */
export function rope(
  x: Reals,
  positions: Indices,
  rotations: Reals,
  out: Reals,
  { inverse = false, accumulate = false }: { inverse?: boolean; accumulate?: boolean } = {},
): void {
  const half = rotations.shape[1];
  const width = x.data.length / positions.data.length;
  positions.data.forEach((position, t) => {
    const turn = rowAt(rotations, position);
    for (let at = t * width; at < (t + 1) * width; at += 2 * half) {
      for (let i = 0; i < half; i++) {
        const c = rotations.data[turn + 2 * i];
        const s = rotations.data[turn + 2 * i + 1] * (inverse ? -1 : 1);
        const a = x.data[at + i];
        const b = x.data[at + half + i];
        out.data[at + i] = a * c - b * s + (accumulate ? out.data[at + i] : 0);
        out.data[at + half + i] = b * c + a * s + (accumulate ? out.data[at + half + i] : 0);
      }
    }
  });
}
