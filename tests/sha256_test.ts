import { equal } from "node:assert/strict";
import { sha256 } from "../src/sha256.ts";
import { randomFrom } from "./random.ts";

Deno.test("sha256() agrees with the Web's digest, whatever the pieces", async () => {
  const random = randomFrom(3);
  for (const length of [0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 5000]) {
    const bytes = Uint8Array.from(random.integers(length, 0, 255));
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const expected = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    for (const step of [1, 7, 64, 10_000]) {
      const sum = sha256();
      for (let at = 0; at < length; at += step) sum.update(bytes.subarray(at, at + step));
      equal(sum.hex(), expected, `${length} bytes in steps of ${step}, seed ${random.seed}`);
    }
  }
});
