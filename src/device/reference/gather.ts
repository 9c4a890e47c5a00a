import { type Indices, type Reals, rowAt } from "./tensors.ts";

/** out [n, …] = x [R, …] at rows [n]. */
export function gather(x: Reals, rows: Indices, out: Reals): void {
  const width = x.data.length / x.shape[0];
  rows.data.forEach((row, i) => {
    const from = rowAt(x, row);
    out.data.set(x.data.subarray(from, from + width), i * width);
  });
}

/** dX [R, …] at rows[i] += dOut [n, …] at i. */
export function gatherBackward(dOut: Reals, rows: Indices, dX: Reals): void {
  const width = dX.data.length / dX.shape[0];
  rows.data.forEach((row, i) => {
    const to = rowAt(dX, row);
    for (let c = 0; c < width; c++) dX.data[to + c] += dOut.data[i * width + c];
  });
}
