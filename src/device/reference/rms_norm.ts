import type { Reals } from "./tensors.ts";

/** out [T, C] = x [T, C] / √(mean(x²) + epsilon) · weight [C]. */
export function rmsNorm(
  x: Reals,
  weight: Reals,
  out: Reals,
  { epsilon }: { epsilon: number },
): void {
  const width = weight.data.length;
  for (let at = 0; at < x.data.length; at += width) {
    const inverse = inverseNorm(x, at, width, epsilon);
    for (let c = 0; c < width; c++) {
      out.data[at + c] = x.data[at + c] * inverse * weight.data[c];
    }
  }
}

/**
 * With r = 1 / √(mean(x²) + epsilon), y = x·r and g = dOut · weight:
 * dX [T, C] += r · (g − y · mean(g · y)), dWeight [C] += Σ over rows of dOut · y.
 */
export function rmsNormBackward(
  x: Reals,
  weight: Reals,
  dOut: Reals,
  dX: Reals,
  dWeight: Reals,
  { epsilon }: { epsilon: number },
): void {
  const width = weight.data.length;
  for (let at = 0; at < x.data.length; at += width) {
    const inverse = inverseNorm(x, at, width, epsilon);
    let mean = 0;
    for (let c = 0; c < width; c++) {
      mean += dOut.data[at + c] * weight.data[c] * x.data[at + c] * inverse / width;
    }
    for (let c = 0; c < width; c++) {
      const y = x.data[at + c] * inverse;
      dX.data[at + c] += inverse * (dOut.data[at + c] * weight.data[c] - y * mean);
      dWeight.data[c] += dOut.data[at + c] * y;
    }
  }
}

function inverseNorm(x: Reals, at: number, width: number, epsilon: number): number {
  let squares = 0;
  for (let c = 0; c < width; c++) squares += x.data[at + c] ** 2;
  return 1 / Math.sqrt(squares / width + epsilon);
}
