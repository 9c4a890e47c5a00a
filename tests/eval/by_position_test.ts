import { deepEqual, equal, ok } from "node:assert/strict";
import { byPosition } from "../../src/eval/by_position.ts";

Deno.test("byPosition() doubles its stretches and leaves the first token out", () => {
  const losses = new Float64Array(700).fill(Math.LN2);
  losses[0] = 99;
  losses.fill(2 * Math.LN2, 200, 400);
  const { stretches, all } = byPosition(losses, { first: 100, tokensPerByte: 0.5 });
  deepEqual(stretches.map(({ from, to }) => [from, to]), [[0, 100], [100, 200], [200, 400], [
    400,
    700,
  ]]);
  for (const [i, bits] of [1, 1, 2, 1].entries()) {
    ok(Math.abs(stretches[i].perplexity - 2 ** bits) < 1e-12, `${i}: ${stretches[i].perplexity}`);
    ok(Math.abs(stretches[i].bitsPerByte - bits / 2) < 1e-12);
  }
  ok(Math.abs(all.bitsPerByte - (699 + 200) / 699 / 2) < 1e-12);
});

Deno.test("byPosition() ends where the text ends", () => {
  const { stretches } = byPosition(new Float64Array(150), { first: 100, tokensPerByte: 1 });
  equal(stretches.length, 2);
  equal(stretches[1].to, 150);
});
