import { deepEqual, equal, rejects } from "node:assert/strict";
import { arrivals } from "../../src/memory/arrivals.ts";

const PIECES = [Uint8Array.of(1)];
const soon = () => new Promise((resolve) => setTimeout(resolve));

Deno.test("what is owed is written once it is there, and waited for from the oldest on", async () => {
  const owed = arrivals();
  const blocks = [5, 3, 8].map((slot) => ({ slot, ...Promise.withResolvers<Uint8Array[]>() }));
  const written: number[] = [];
  for (const { slot, promise } of blocks) {
    owed.expect(slot, promise, (pieces) => {
      deepEqual(pieces, PIECES);
      return Promise.resolve(void written.push(slot));
    });
  }
  await owed.settle(3);
  blocks[2].resolve(PIECES);
  await soon();
  deepEqual(written, [8]);
  let settled = false;
  const waiting = owed.settle(1).then(() => settled = true);
  await soon();
  equal(settled, false);
  blocks[0].resolve(PIECES);
  await waiting;
  deepEqual(written, [8, 5]);
  blocks[1].resolve(PIECES);
  await owed.settle(0);
  deepEqual(written, [8, 5, 3]);
});

Deno.test("a block that is forgotten is not written, not even over the next one of its slot", async () => {
  const owed = arrivals();
  const first = Promise.withResolvers<Uint8Array[]>();
  owed.expect(4, first.promise, () => Promise.reject(new Error("written")));
  owed.forget(4);
  await owed.settle(0);
  let written = 0;
  owed.expect(4, PIECES, () => Promise.resolve(void written++));
  first.resolve(PIECES);
  await owed.settle(0);
  equal(written, 1);
});

Deno.test("whoever settles is told what went wrong", async () => {
  const owed = arrivals();
  owed.expect(1, Promise.reject(new Error("the device was lost")), () => Promise.resolve());
  await rejects(owed.settle(0), /the device was lost/);
  await rejects(owed.settle(0), /the device was lost/);
});
