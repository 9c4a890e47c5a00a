import { equal } from "node:assert/strict";
import { fromHalf, toHalf } from "../../../src/device/reference/half.ts";

const bits = new DataView(new ArrayBuffer(2));

/** What the engine thinks. */
function fromHalfByEngine(pattern: number): number {
  bits.setUint16(0, pattern);
  return bits.getFloat16(0);
}

function toHalfByEngine(x: number): number {
  bits.setFloat16(0, x);
  return bits.getUint16(0);
}

Deno.test("fromHalf() and toHalf() know every pattern", () => {
  for (let pattern = 0; pattern < 65536; pattern++) {
    const x = fromHalfByEngine(pattern);
    equal(fromHalf(pattern), x);
    if (!Number.isNaN(x)) equal(toHalf(x), pattern);
  }
});

Deno.test("toHalf() rounds to the nearest, ties to even, from f64 at once", () => {
  for (let pattern = 0; pattern < 0x7bff; pattern++) {
    const low = fromHalf(pattern);
    const middle = (low + fromHalf(pattern + 1)) / 2;
    // Just beside the middle an f32 in between would fall on the tie.
    for (const x of [middle, middle * (1 + 2 ** -40), middle * (1 - 2 ** -40)]) {
      equal(toHalf(x), toHalfByEngine(x), `${x}`);
      equal(toHalf(-x), toHalfByEngine(-x), `${-x}`);
    }
  }
});

Deno.test("toHalf() overflows to infinity and underflows to a signed zero", () => {
  equal(toHalf(65519.99), 0x7bff);
  equal(toHalf(65520), 0x7c00);
  equal(toHalf(-Infinity), 0xfc00);
  equal(toHalf(2 ** -25), 0);
  equal(toHalf(-(2 ** -25) * 1.001), 0x8001);
  equal(toHalf(-0), 0x8000);
  equal(Number.isNaN(fromHalf(toHalf(NaN))), true);
});
