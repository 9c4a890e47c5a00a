import { type Indices, type Reals, rowAt } from "./tensors.ts";

/** out [n, …] = the mean of x [R, …] over rows first[i] … first[i] + count − 1. */
export function meanRows(
  x: Reals,
  first: Indices,
  out: Reals,
  { count }: { count: number },
): void {
  const width = x.data.length / x.shape[0];
  first.data.forEach((row, i) => {
    for (let c = 0; c < width; c++) {
      let sum = 0;
      for (let r = row; r < row + count; r++) sum += x.data[rowAt(x, r) + c];
      out.data[i * width + c] = sum / count;
    }
  });
}

/** dX [R, …] at each of those rows += dOut [n, …] at i / count. */
export function meanRowsBackward(
  dOut: Reals,
  first: Indices,
  dX: Reals,
  { count }: { count: number },
): void {
  const width = dX.data.length / dX.shape[0];
  first.data.forEach((row, i) => {
    for (let r = row; r < row + count; r++) {
      const to = rowAt(dX, r);
      for (let c = 0; c < width; c++) dX.data[to + c] += dOut.data[i * width + c] / count;
    }
  });
}
