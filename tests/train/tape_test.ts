import { deepEqual } from "node:assert/strict";
import type { Tensor } from "../../src/device/device.ts";
import { type Tape, tape } from "../../src/train/tape.ts";
import { testOnEach } from "../devices.ts";

/** What a sum is made of, and how often a leaf's gradient is the sum's. */
const SUMS: Record<string, {
  make: (ops: Tape, a: Tensor, b: Tensor) => Tensor;
  counts: [a: number, b: number];
}> = {
  "a + b": { make: (ops, a, b) => ops.add(a, b), counts: [1, 1] },
  "a + a": { make: (ops, a) => ops.add(a, a), counts: [2, 0] },
  "(a + b) + b": { make: (ops, a, b) => ops.add(ops.add(a, b), b), counts: [1, 2] },
  "b + (a + b)": { make: (ops, a, b) => ops.add(b, ops.add(a, b)), counts: [1, 2] },
  "a + b, reshaped": {
    make: (ops, a, b) => ops.add(a, ops.reshape(ops.reshape(b, [4]), [2, 2])),
    counts: [1, 1],
  },
  "(a + b) + (a + b)": {
    make(ops, a, b) {
      const sum = ops.add(a, b);
      return ops.add(sum, sum);
    },
    counts: [2, 2],
  },
  "((a + b) + a) + ((a + b) + b)": {
    make(ops, a, b) {
      const sum = ops.add(a, b);
      return ops.add(ops.add(sum, a), ops.add(sum, b));
    },
    counts: [3, 3],
  },
};

for (const [name, { make, counts }] of Object.entries(SUMS)) {
  testOnEach(`the gradients of ${name}, b a parameter or not`, async (device) => {
    const slopes = [1, 20, 300, 4000];
    for (const before of [undefined, [5, 6, 7, 8]]) {
      using b = device.tensor([2, 2], { data: [1, 2, 3, 4] });
      using kept = device.tensor([2, 2], { data: before ?? [0, 0, 0, 0] });
      using ops = tape(device, new Map(before ? [[b, kept]] : []));
      const a = ops.input([2, 2], { data: [5, 6, 7, 8] });
      const out = make(ops, a, b);
      device.write(ops.gradient(out), slopes);
      ops.backward();
      const [ofA, ofB] = counts.map((count) => slopes.map((slope) => count * slope));
      deepEqual(Array.from(await device.read(ops.gradient(a))), ofA);
      const sum = ofB.map((slope, i) => slope + (before?.[i] ?? 0));
      deepEqual(Array.from(await device.read(ops.gradient(b))), sum);
    }
  });
}
