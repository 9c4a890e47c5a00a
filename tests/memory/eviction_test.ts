/** What happens when the budget is used up. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { MemoryFullError } from "../../src/memory/memory_error.ts";
import type { Reader } from "../../src/session/reader.ts";
import { assertClose, EXACT } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { randomText, readInCuts, type SmallModel, smallModel } from "./small_model.ts";

const SEED = 21;
const PIECE = 2 * 4 * 8 * 4;
const BLOCK = 3 * 2 * PIECE;
const byToken = { reading: "token", asking: "token" } as const;

/** Which blocks a reader can go back to. */
async function blocksOf(reader: Reader, small: SmallModel): Promise<number[]> {
  using fork = reader.fork();
  using all = small.readerOf(fork.state.fork());
  const saved = all.state.save();
  const numbers: number[] = [];
  const length = 4 + BLOCK;
  for await (const record of saved.records) {
    if (record.length !== length) continue;
    numbers.push(new DataView(record.buffer, record.byteOffset).getUint32(0, true));
  }
  return numbers;
}

testOnEach("the oldest blocks are forgotten first, and counted", async (device) => {
  using small = await smallModel(device, SEED);
  using reader = small.reader({ budget: { host: 10 * BLOCK } });
  await reader.feed(randomText(1, 90)); // 30 blocks
  deepEqual(await blocksOf(reader, small), [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]);
  equal(reader.state.usage.blocks, 10);
  equal(reader.state.usage.evictedBlocks, 20);
  equal(reader.state.usage.hostBytes, 10 * BLOCK);
});

testOnEach(
  "reading goes on the same whatever was forgotten before the last K blocks",
  async (device) => {
    using small = await smallModel(device, SEED);
    const ids = randomText(2, 100);
    using whole = small.reader();
    using tight = small.reader({ budget: { host: 4 * BLOCK } });
    assertClose(await readInCuts(tight, ids), await readInCuts(whole, ids), EXACT);
  },
);

testOnEach(
  "what is told to be read is what can be gone back to, as blocks come and go",
  async (device) => {
    using small = await smallModel(device, SEED);
    using reader = small.reader({ budget: { host: 10 * BLOCK }, choose: byToken });
    const seen = new Set<number>();
    for (const id of randomText(6, 60)) {
      const there = await blocksOf(reader, small);
      await reader.feed(Int32Array.of(id), { trace: true });
      for (const { numbers } of reader.blocks) {
        for (const number of numbers) {
          ok(there.includes(number), `block ${number} is not among ${there}`);
          seen.add(number);
        }
      }
    }
    ok(seen.size > 10, "those that came later are read too");
  },
);

testOnEach("a budget of one block is enough to go on", async (device) => {
  using small = await smallModel(device, SEED);
  using reader = small.reader({ budget: { host: BLOCK }, choose: byToken });
  await reader.feed(randomText(3, 50));
  deepEqual(await blocksOf(reader, small), [15]);
});

testOnEach("what cannot be kept is an error if nothing may be forgotten", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(4, 40);
  using reader = small.reader({ whenFull: "error", budget: { host: 5 * BLOCK } });
  equal(reader.state.missingBytes(20), 0);
  equal(reader.state.missingBytes(24), BLOCK);
  await rejects(reader.feed(ids), MemoryFullError);
  equal(reader.state.length, 16, "two whole chunks are remembered");
  equal(reader.state.usage.evictedBlocks, 0);
  // It stands where it stood, and may be used: a fork has room in its own section.
  using other = small.reader();
  await other.feed(ids.subarray(0, 12));
  assertClose(
    await readInCuts(reader, ids.subarray(12, 17)),
    await readInCuts(other, ids.subarray(12, 17)),
    EXACT,
  );
});

testOnEach("forks lose what is forgotten, and keep their own last blocks", async (device) => {
  using small = await smallModel(device, SEED);
  using reader = small.reader({ budget: { host: 8 * BLOCK } });
  await reader.feed(randomText(5, 18));
  using fork = reader.fork();
  await reader.feed(randomText(6, 60));
  // The fork's last K = 2 blocks are the last to go.
  deepEqual(await blocksOf(fork, small), [4, 5]);
  deepEqual(await blocksOf(reader, small), [4, 5, 20, 21, 22, 23, 24, 25]);
  equal(fork.next === undefined, false);
  await fork.feed(randomText(7, 5));
  await reader.feed(randomText(7, 5));
});

for (const evict of ["oldest", "leastRecentlyRead"] as const) {
  testOnEach(`forks that read on at random stay whole, ${evict}`, async (device) => {
    using small = await smallModel(device, SEED);
    const random = randomFrom(77);
    using scope = new DisposableStack();
    const file = { path: `tier-${evict}`, bytes: 7 * BLOCK };
    const budget = { host: 5 * BLOCK, file };
    const readers = [small.reader({ evict, budget, choose: byToken, memoryLayers: [0, 2] })];
    scope.defer(() => readers.forEach((reader) => reader[Symbol.dispose]()));
    for (let turn = 0; turn < 60; turn++) {
      const at = random.integer(0, readers.length - 1);
      const what = random.uniform();
      if (what < 0.15 && readers.length < 5) readers.push(readers[at].fork());
      else if (what < 0.3 && readers.length > 1) readers.splice(at, 1)[0][Symbol.dispose]();
      else {
        const ids = random.integers(random.integer(1, 20), 97, 122);
        const logits = await readers[at].feed(ids, { from: 0 });
        ok(logits.every(Number.isFinite), `seed ${random.seed}, turn ${turn}`);
      }
      const { hostBytes, fileBytes } = readers[0].state.usage;
      ok(hostBytes <= 5 * BLOCK && fileBytes <= 7 * BLOCK);
    }
  });
}

testOnEach("a budget too small for one block is refused with numbers", async (device) => {
  using small = await smallModel(device, SEED);
  throws(() => small.state({ budget: { host: BLOCK - 1 } }), {
    name: "RangeError",
    message:
      `Cannot make a memory as budget.host must be at least ${BLOCK} bytes, one block of all ` +
      `layers: current value is ${BLOCK - 1}`,
  });
  throws(() => small.state({ budget: { device: 8 * PIECE - 1 } }), {
    name: "RangeError",
    message: `Cannot make a memory as budget.device must be at least ${8 * PIECE} bytes, the ` +
      `blocks that one token reads: current value is ${8 * PIECE - 1}`,
  });
  for (
    const wrong of [
      { topBlocks: 0 },
      { topBlocks: 1.5 },
      { chunk: 6 },
      { chunk: 0 },
      { memoryLayers: [3] },
      { storage: "f64" as "f32" },
      { choose: { reading: "all" as "token" } },
      { evict: "newest" as "oldest" },
      { budget: { file: { path: "x", bytes: 1 } } },
    ]
  ) {
    throws(() => small.state(wrong), RangeError, JSON.stringify(wrong));
  }
});
