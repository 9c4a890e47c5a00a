// infini_write: memory + remainder += x, f32 [count] each. What the sum of memory and x rounds off
// is kept in the remainder (Knuth's two-sum), and carried over once it counts (Dekker's).

import { groupStart } from "./simd";

export function infiniWrite(
  part: u32,
  parts: u32,
  x: usize,
  memory: usize,
  remainder: usize,
  count: u32,
): void {
  const end = groupStart(count, part + 1, parts);
  for (let i = groupStart(count, part, parts); i < end; i++) {
    const at = i << 2, a = load<f32>(memory + at), b = load<f32>(x + at);
    const sum = a + b, ofB = sum - a;
    const rest = load<f32>(remainder + at) + ((a - (sum - ofB)) + (b - ofB));
    const whole = sum + rest;
    store<f32>(memory + at, whole);
    store<f32>(remainder + at, rest - (whole - sum));
  }
}
