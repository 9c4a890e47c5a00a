import type { Device, Tensor } from "../device/device.ts";

/**
 * The table that `rope` reads: cosine and sine of position · frequency, computed in f64.
 *
 * @param frequencies Radians a position, f64 [D/2].
 * @param positions How many positions, P.
 * @returns f64 [P, D/2, 2].
 */
export function rotationTable(frequencies: Float64Array, positions: number): Float64Array {
  const half = frequencies.length;
  const table = new Float64Array(positions * half * 2);
  for (let position = 0; position < positions; position++) {
    for (let i = 0; i < half; i++) {
      const angle = position * frequencies[i];
      table[(position * half + i) * 2] = Math.cos(angle);
      table[(position * half + i) * 2 + 1] = Math.sin(angle);
    }
  }
  return table;
}

/** i32 [rows · count]: from, from + 1, … for each row. */
export function countUp(device: Device, rows: number, count: number, from = 0): Tensor {
  return device.tensor([rows * count], {
    dtype: "i32",
    data: Int32Array.from({ length: rows * count }, (_, t) => from + t % count),
  });
}
