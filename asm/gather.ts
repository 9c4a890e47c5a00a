import { groupStart, partStart, storeFirst } from "./simd";

/** out [count, width] = x at rows i32 [count]. */
export function gather(
  part: u32,
  parts: u32,
  x: usize,
  rows: usize,
  out: usize,
  count: u32,
  width: u32,
): void {
  const bytes = <usize> width << 2;
  const end = partStart(count, part + 1, parts);
  for (let i = partStart(count, part, parts); i < end; i++) {
    const row = load<u32>(rows + (<usize> i << 2));
    memory.copy(out + i * bytes, x + row * bytes, bytes);
  }
}

/**
 * dX at rows[i] += dOut [count, width] at i. The parts share out the columns: rows may repeat, and
 * are added in their order.
 */
export function gatherBackward(
  part: u32,
  parts: u32,
  dOut: usize,
  rows: usize,
  dX: usize,
  count: u32,
  width: u32,
): void {
  const start = groupStart(width, part, parts);
  const end = groupStart(width, part + 1, parts);
  const bytes = <usize> width << 2;
  for (let i: u32 = 0; i < count; i++) {
    const row = load<u32>(rows + (<usize> i << 2));
    addColumns(dOut + i * bytes, dX + row * bytes, start, end, 1);
  }
}

/** y += x · factor in columns start … end − 1, start at a multiple of four. */
@inline
export function addColumns(x: usize, y: usize, start: u32, end: u32, factor: f32): void {
  const factors = f32x4.splat(factor);
  for (let c = start; c < end; c += 4) {
    const at = <usize> c << 2;
    const sum = f32x4.add(v128.load(y + at), f32x4.mul(v128.load(x + at), factors));
    storeFirst(y + at, sum, end - c);
  }
}

/** The first i with values[i] (i32 [count]) outside low … high − 1; count if there is none. */
export function findOutside(values: usize, count: u32, low: i32, high: i32): u32 {
  for (let i: u32 = 0; i < count; i++) {
    const value = load<i32>(values + (<usize> i << 2));
    if (value < low || value >= high) return i;
  }
  return count;
}
