import { deepEqual, ok, throws } from "node:assert/strict";
import { wilson } from "../../src/eval/wilson.ts";

Deno.test("wilson() gives the published limits", () => {
  // Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263, 15 of 148, 1 of 29.
  for (
    const [right, asked, low, high] of [
      [81, 263, 0.2553, 0.3662],
      [15, 148, 0.0624, 0.1605],
      [0, 20, 0, 0.1611],
      [1, 29, 0.0061, 0.1718],
    ]
  ) {
    const share = wilson(right, asked);
    ok(Math.abs(share.low - low) < 6e-5, `${right} of ${asked}: ${share.low}`);
    ok(Math.abs(share.high - high) < 6e-5, `${right} of ${asked}: ${share.high}`);
  }
});

Deno.test("wilson() mirrors right and wrong", () => {
  const some = wilson(3, 16);
  const others = wilson(13, 16);
  ok(Math.abs(some.low - (1 - others.high)) < 1e-12);
  ok(Math.abs(some.high - (1 - others.low)) < 1e-12);
});

Deno.test("wilson() knows nothing when nothing was asked", () => {
  deepEqual(wilson(0, 0), { right: 0, asked: 0, low: 0, high: 1 });
});

Deno.test("wilson() refuses more right answers than questions", () => {
  throws(() => wilson(3, 2), { name: "RangeError", message: /current values are 3 and 2/ });
});
