// join_rows: out [B, m + n, X] = a [B, m, X] and b [B, n, X], and the way back of one part.

import { addScaled } from "./row_gradients";
import { partStart } from "./simd";

/** Rows are shared out; of each of `batch`, those of a come first. */
export function joinRows(
  part: u32,
  parts: u32,
  a: usize,
  b: usize,
  out: usize,
  batch: u32,
  m: u32,
  n: u32,
  width: u32,
): void {
  const rows = m + n, bytes = width << 2;
  for (let at: u32 = 0; at < batch; at++) {
    const from = partStart(rows, part, parts), to = partStart(rows, part + 1, parts);
    const firstTo = min(to, m), secondFrom = max(from, m), into = out + at * rows * bytes;
    if (from < firstTo) {
      memory.copy(into + from * bytes, a + (at * m + from) * bytes, (firstTo - from) * bytes);
    }
    if (secondFrom < to) {
      const row = at * n + secondFrom - m;
      memory.copy(into + secondFrom * bytes, b + row * bytes, (to - secondFrom) * bytes);
    }
  }
}

/** dPart [batch, count, X] += rows `first` … of dOut [batch, rows, X]. */
export function joinRowsBackward(
  part: u32,
  parts: u32,
  dOut: usize,
  dPart: usize,
  batch: u32,
  rows: u32,
  first: u32,
  count: u32,
  width: u32,
): void {
  const bytes = width << 2, end = partStart(count, part + 1, parts);
  for (let at: u32 = 0; at < batch; at++) {
    for (let i = partStart(count, part, parts); i < end; i++) {
      const from = dOut + (at * rows + first + i) * bytes;
      addScaled(from, width, 1, dPart + (at * count + i) * bytes);
    }
  }
}
