import { addColumns } from "./gather";
import { groupStart, partStart, storeFirst } from "./simd";

/** out [n, width] = the mean of `count` rows of x from first[i] on. */
export function meanRows(
  part: u32,
  parts: u32,
  x: usize,
  first: usize,
  out: usize,
  n: u32,
  width: u32,
  count: u32,
): void {
  const end = partStart(n, part + 1, parts);
  const stride = <usize> width << 2;
  for (let i = partStart(n, part, parts); i < end; i++) {
    const row = load<u32>(first + (<usize> i << 2));
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize> c << 2;
      const mean = columnsMean(x + row * stride + at, stride, count);
      storeFirst(out + i * stride + at, mean, width - c);
    }
  }
}

/** The mean of four columns over `count` rows. */
@inline
function columnsMean(x: usize, stride: usize, count: u32): v128 {
  let sum = f32x4.splat(0);
  for (let j: u32 = 0; j < count; j++) {
    sum = f32x4.add(sum, v128.load(x));
    x += stride;
  }
  return f32x4.mul(sum, f32x4.splat(1 / <f32> count));
}

/** dX at rows first[i] … += dOut[i] / count. Parts share the columns, as rows may overlap. */
export function meanRowsBackward(
  part: u32,
  parts: u32,
  dOut: usize,
  first: usize,
  dX: usize,
  n: u32,
  width: u32,
  count: u32,
): void {
  const start = groupStart(width, part, parts);
  const end = groupStart(width, part + 1, parts);
  const stride = <usize> width << 2;
  for (let i: u32 = 0; i < n; i++) {
    const row = load<u32>(first + (<usize> i << 2));
    for (let j: u32 = 0; j < count; j++) {
      addColumns(dOut + i * stride, dX + (row + j) * stride, start, end, 1 / <f32> count);
    }
  }
}
