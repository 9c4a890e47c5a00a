import { deepEqual, notDeepEqual, ok } from "node:assert/strict";
import { random } from "../../../src/train/data/random.ts";

Deno.test("random() follows from its seed, and different seeds are unrelated", () => {
  const draw = (...seed: number[]) => {
    const source = random(...seed);
    return Array.from({ length: 8 }, () => source.below(1000));
  };
  deepEqual(draw(1, 2), draw(1, 2));
  notDeepEqual(draw(1, 2), draw(2, 1));
  notDeepEqual(draw(1), draw(1, 0));
  notDeepEqual(draw(2 ** 32), draw(0));
});

Deno.test("random() draws the numbers that models were trained by", () => {
  // Of a program apart, in Python, with sfc32 written anew.
  const draw = (...seed: number[]) => {
    const source = random(...seed);
    return Array.from({ length: 4 }, () => source.next() * 2 ** 32);
  };
  deepEqual(draw(5, 1), [3663685565, 2574589841, 2709988653, 3332425414]);
  deepEqual(draw(2 ** 32 + 1), [1715619955, 2288775293, 1021535799, 2878239003]);
});

Deno.test("random() is uniform, and normal where it says so", () => {
  const source = random(7);
  const n = 20_000;
  const buckets = new Array<number>(10).fill(0);
  for (let i = 0; i < n; i++) buckets[source.below(10)]++;
  // Three times the standard deviation of a bucket, and a little more.
  for (const count of buckets) ok(Math.abs(count - n / 10) < 150, `buckets ${buckets}`);
  const normals = Array.from({ length: n }, () => source.normal());
  const mean = normals.reduce((a, b) => a + b) / n;
  const variance = normals.reduce((sum, x) => sum + x * x, 0) / n;
  ok(Math.abs(mean) < 0.03 && Math.abs(variance - 1) < 0.05, `mean ${mean}, variance ${variance}`);
});
