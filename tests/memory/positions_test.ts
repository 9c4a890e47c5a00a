import { deepEqual, equal } from "node:assert/strict";
import {
  sectionPositions,
  sectionStart,
  slotPositions,
  storedPositions,
} from "../../src/memory/positions.ts";

Deno.test("the section starts behind K + 1 slots", () => {
  equal(sectionStart(4, 64), 320);
  deepEqual([...sectionPositions(320, 5, 3)], [325, 326, 327]);
});

Deno.test("slotPositions() puts every slot at 0 … M − 1", () => {
  // K = 2, M = 4: the section starts at 12. Key t of slot s stands at 4s + t.
  const seen = slotPositions(Int32Array.of(12, 15), 2, 4);
  deepEqual([...seen], [12, 8, 4, 15, 11, 7]);
  for (let s = 0; s < 3; s++) {
    for (let t = 0; t < 4; t++) equal(seen[s] - t, 12 - (4 * s + t), "relative positions agree");
  }
});

Deno.test("storedPositions() begin anew with each block", () => {
  deepEqual([...storedPositions(8, 4)], [0, 1, 2, 3, 0, 1, 2, 3]);
});
