import { equal } from "node:assert/strict";
import { brainsToFloats, floatsToHalves, halvesToFloats } from "../src/half.ts";
import { randomFrom } from "./random.ts";

const PATTERNS = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i);
// The engine's own half-precision numbers are the oracle.
const HALVES = Float32Array.from(new Float16Array(PATTERNS.buffer));

function checkRounding(floats: Float32Array, what: string) {
  const actual = floatsToHalves(floats, new Uint16Array(floats.length));
  const expected = new Uint16Array(Float16Array.from(floats).buffer);
  for (let i = 0; i < floats.length; i++) {
    if (Number.isNaN(floats[i])) equal((actual[i] & 0x7fff) > 0x7c00, true);
    else equal(actual[i], expected[i], `${what}: ${floats[i]}`);
  }
}

Deno.test("halvesToFloats() is exact for every pattern", () => {
  const floats = halvesToFloats(PATTERNS, new Float32Array(PATTERNS.length));
  for (const i of PATTERNS) {
    if (!Object.is(floats[i], HALVES[i])) equal(floats[i], HALVES[i], `pattern ${i}`);
  }
});

Deno.test("floatsToHalves() gives back every pattern, and rounds midpoints to even", () => {
  checkRounding(HALVES, "pattern");
  const between: number[] = [];
  for (let i = 0; i < 0x7c00; i++) {
    const next = i === 0x7bff ? 65536 : HALVES[i + 1];
    const middle = (HALVES[i] + next) / 2;
    for (const x of [middle, middle * (1 + 2 ** -23), middle * (1 - 2 ** -24)]) between.push(x, -x);
  }
  checkRounding(Float32Array.from(between), "midpoint");
});

Deno.test("floatsToHalves() agrees with the engine on random bits", () => {
  const random = randomFrom(11);
  const bits = Uint32Array.from({ length: 200_000 }, () => random.uniform() * 2 ** 32);
  checkRounding(new Float32Array(bits.buffer), `seed ${random.seed}`);
});

Deno.test("brainsToFloats() widens bfloat16", () => {
  const brains = Uint16Array.of(0x3f80, 0xc000, 0x0000, 0x8000, 0x7f80, 0x0001);
  const floats = brainsToFloats(brains, new Float32Array(6));
  equal([...floats].map(String).join(), [1, -2, 0, -0, Infinity, 2 ** -133].map(String).join());
  equal(Object.is(floats[3], -0), true);
});
