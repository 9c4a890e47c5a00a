import type { Reals } from "./tensors.ts";

/** out [m, n] = a [m, k] · b [k, n]; transposed inputs are [k, m] and [n, k]. */
export function matmul(
  a: Reals,
  b: Reals,
  out: Reals,
  options: { transposeA?: boolean; transposeB?: boolean; accumulate?: boolean } = {},
): void {
  const [m, n] = out.shape;
  const k = a.data.length / m;
  // Both as rows of k numbers, so that the inner loop runs along memory.
  const rows = options.transposeA ? transposed(a.data, k, m) : a.data;
  const columns = options.transposeB ? b.data : transposed(b.data, k, n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = options.accumulate ? out.data[i * n + j] : 0;
      for (let p = 0; p < k; p++) sum += rows[i * k + p] * columns[j * k + p];
      out.data[i * n + j] = sum;
    }
  }
}

/** x [rows, columns] → [columns, rows]. */
function transposed(x: Float64Array, rows: number, columns: number): Float64Array {
  const out = new Float64Array(x.length);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) out[c * rows + r] = x[r * columns + c];
  }
  return out;
}
