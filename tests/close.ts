import { AssertionError } from "node:assert/strict";

/** How far a number may be from the expected one: |actual − expected| ≤ atol + rtol · |expected|. */
export interface Tolerance {
  atol: number;
  rtol: number;
}

/** Nothing but the very same number. */
export const EXACT: Tolerance = { atol: 0, rtol: 0 };

const SHOWN = 5;

/** Fails unless all numbers are close; the message shows the first ones that are not. */
export function assertClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { atol, rtol }: Tolerance,
  what = "numbers",
): void {
  if (actual.length !== expected.length) {
    throw new AssertionError({
      message: `${what}: expected ${expected.length} numbers, got ${actual.length}`,
    });
  }
  const wrong: number[] = [];
  let count = 0;
  for (let i = 0; i < expected.length; i++) {
    // Written so that NaN is wrong; infinities are close to themselves.
    if (Object.is(actual[i], expected[i])) continue;
    if (Math.abs(actual[i] - expected[i]) <= atol + rtol * Math.abs(expected[i])) continue;
    count++;
    if (wrong.length < SHOWN) wrong.push(i);
  }
  if (count === 0) return;
  const lines = wrong.map((i) => `  [${i}] expected ${expected[i]}, got ${actual[i]}`);
  throw new AssertionError({
    message: `${what}: ${count} of ${expected.length} differ by more than ${atol} + ${rtol}·|x|\n` +
      lines.join("\n") + (count > SHOWN ? "\n  …" : ""),
  });
}
