import { deepEqual, equal } from "node:assert/strict";
import { bufferPool, type PooledBuffer } from "../../src/device/gpu/buffers.ts";
import { testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";

const MEGABYTE = 2 ** 20;

/** A pool of buffers that only say when they are destroyed. */
function emptyPool() {
  const destroyed: number[] = [];
  const state = { batch: 1 };
  const create = ({ size }: GPUBufferDescriptor) =>
    ({ destroy: () => destroyed.push(size) }) as unknown as GPUBuffer;
  const pool = bufferPool(create, 2 ** 31, () => state.batch);
  return { pool, state, destroyed };
}

Deno.test("a pool gives the same buffers again, in whatever order they were given back", () => {
  const { pool } = emptyPool();
  const random = randomFrom(5);
  const step = () => [300, 300, 5000, 300, 5000].map((bytes) => pool.take(bytes));
  const first = step();
  for (let turn = 0; turn < 20; turn++) {
    for (const buffer of first.toSorted(() => random.uniform() - 0.5)) pool.give(buffer);
    deepEqual(step().map(({ id }) => id), first.map(({ id }) => id));
  }
});

Deno.test("a pool gives no buffer of the batch that asks for an idle one", () => {
  const { pool } = emptyPool();
  const [old, young] = [pool.take(300), pool.take(300)];
  [old.lastUse, young.lastUse] = [7, 6];
  for (const buffer of [old, young]) pool.give(buffer);
  equal(pool.take(300, { idle: 7 }), young);
  equal(pool.take(300, { idle: 7 }).id, 2, "a new one");
  equal(pool.take(300), old);
});

Deno.test("a pool lets go of what it may, the youngest first, and counts it", () => {
  const { pool, state, destroyed } = emptyPool();
  const buffers = Array.from({ length: 5 }, () => pool.take(40 * MEGABYTE));
  const inUse = buffers[4];
  inUse.lastUse = state.batch;
  for (const buffer of buffers.toReversed()) pool.give(buffer);
  // A quarter more than the most ever in use may be kept.
  deepEqual([pool.bytes, pool.total, destroyed.length], [0, 200 * MEGABYTE, 0]);
  const taken: PooledBuffer[] = Array.from({ length: 7 }, () => pool.take(50 * MEGABYTE));
  equal(pool.total, (200 + 7 * 56) * MEGABYTE);
  pool.give(taken[6]);
  // 490 MiB in all may be left where 592 are.
  deepEqual(destroyed, [40 * MEGABYTE, 40 * MEGABYTE, 40 * MEGABYTE]);
  equal(pool.total, (592 - 120) * MEGABYTE);
  equal(pool.take(40 * MEGABYTE).id, buffers[0].id, "the oldest is left");
  equal(pool.take(40 * MEGABYTE).id, inUse.id, "and what waits to be used");
});

testOnEach("large tensors that are freed while they wait to be used do no harm", async (device) => {
  // On a GPU: more than is kept for later, freed before the work on it was sent.
  for (const megabytes of [80, 40, 20]) {
    using large = device.tensor([megabytes * 2 ** 18]);
    device.fill(large, 1);
  }
  using small = device.tensor([2]);
  device.fill(small, 3);
  deepEqual([...await device.read(small)], [3, 3]);
});
