import { groupStart, storeFirst } from "./simd";

/** out = a + b, `count` elements; out may be either. */
export function add(part: u32, parts: u32, a: usize, b: usize, out: usize, count: u32): void {
  const end = groupStart(count, part + 1, parts);
  for (let i = groupStart(count, part, parts); i < end; i += 4) {
    const at = <usize> i << 2;
    storeFirst(out + at, f32x4.add(v128.load(a + at), v128.load(b + at)), end - i);
  }
}
