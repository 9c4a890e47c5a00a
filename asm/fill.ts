import { partStart } from "./simd";

/** Fills `bytes` bytes with a pattern of four; a last half pattern may be cut. */
export function fill(part: u32, parts: u32, out: usize, bytes: u32, pattern: u32): void {
  // Whole cache lines a part.
  const lines = (bytes + 63) >> 6;
  const start = min(bytes, partStart(lines, part, parts) << 6);
  const end = out + min(bytes, partStart(lines, part + 1, parts) << 6);
  let x = out + start;
  if (pattern == 0) {
    memory.fill(x, 0, end - x);
    return;
  }
  const patterns = i32x4.splat(pattern);
  for (; x + 16 <= end; x += 16) v128.store(x, patterns);
  for (; x + 4 <= end; x += 4) store<u32>(x, pattern);
  if (x < end) store<u16>(x, <u16> pattern);
}

/** out = x, `bytes` bytes. */
export function copy(part: u32, parts: u32, x: usize, out: usize, bytes: u32): void {
  const lines = (bytes + 63) >> 6;
  const start = min(bytes, partStart(lines, part, parts) << 6);
  const end = min(bytes, partStart(lines, part + 1, parts) << 6);
  memory.copy(out + start, x + start, end - start);
}
