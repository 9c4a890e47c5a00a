import { ok, throws } from "node:assert/strict";
import { bitsPerByte, kneserNey } from "../../bench/kneser_ney.ts";

const encode = (text: string) => new TextEncoder().encode(text);

function assertNear(actual: number, expected: number): void {
  ok(Math.abs(actual - expected) < 1e-12, `expected ${expected}, got ${actual}`);
}

Deno.test("kneserNey() gives the probabilities worked out by hand", () => {
  // "abcbab": bigrams ab 2, bc 1, cb 1, ba 1, so the discount is 3 / (3 + 2·1) = 0.6.
  // Endings: b after {a, c}, c after {b}, a after {b}; 4 in all, discount 2 / (2 + 2·1) = 0.5.
  const model = kneserNey(encode("abcbab"), { order: 2 });
  const [a, b, c, x] = encode("abcx");
  const unseen = 0.5 * 3 / 256 / 4;
  const unigram = { b: 1.5 / 4 + unseen, c: 0.5 / 4 + unseen };
  assertNear(model.probability(encode(""), b), unigram.b);
  assertNear(model.probability(encode(""), x), unseen);
  assertNear(model.probability(encode("a"), b), (2 - 0.6) / 2 + 0.6 * 1 / 2 * unigram.b);
  assertNear(model.probability(encode("b"), c), (1 - 0.6) / 2 + 0.6 * 2 / 2 * unigram.c);
  assertNear(model.probability(encode("b"), x), 0.6 * 2 / 2 * unseen);
  // A context that never occurred says nothing.
  assertNear(model.probability(encode("x"), b), unigram.b);
  // Only the last byte counts.
  assertNear(model.probability(encode("cba"), b), model.probability(encode("a"), b));
  assertNear(
    bitsPerByte(model, encode("ab"), 1),
    -Math.log2(model.probability(Uint8Array.of(a), b)),
  );
});

Deno.test("kneserNey() sums to 1 over all bytes after any context", () => {
  const book = Deno.readFileSync(new URL("../../books/opticks.txt", import.meta.url));
  const model = kneserNey(book.subarray(0, 20_000));
  for (let i = 0; i < 40; i++) {
    // Contexts from inside the text, from beyond it, and none at all.
    const at = 900 * i;
    const context = book.subarray(at, at + i % 6);
    let sum = 0;
    for (let byte = 0; byte < 256; byte++) sum += model.probability(context, byte);
    ok(Math.abs(sum - 1) < 1e-9, `sum ${sum} after ${context}`);
  }
});

Deno.test("kneserNey() refuses an order that its keys cannot hold", () => {
  throws(() => kneserNey(encode("abc"), { order: 7 }), {
    name: "RangeError",
    message: "Cannot count n-grams as order must be an integer in [1, 6]: current value is 7",
  });
});
