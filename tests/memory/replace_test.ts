/** Replaced tokens against the whole changed text, read from its beginning. */
import { deepEqual, notDeepEqual, rejects } from "node:assert/strict";
import type { State } from "../../src/attention/mechanism.ts";
import type { MemoryOptions } from "../../src/memory/options.ts";
import type { IdRange, Reader } from "../../src/session/reader.ts";
import type { Device } from "../../src/device/device.ts";
import { testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { randomText, type SmallModel, smallModel } from "./small_model.ts";

const SEED = 29;
const LENGTH = 199;

/** Everything that a state holds. */
async function contents(state: State): Promise<unknown> {
  const { about, records } = state.save();
  return [about, (await Array.fromAsync(records)).map((record) => Array.from(record))];
}

/** What a reader holds, foretells, and answers, to the bit. */
async function all(reader: Reader): Promise<unknown> {
  using fork = reader.fork();
  const answer = await fork.feed(randomText(5, 9), { from: 0, purpose: "asking" });
  return [await contents(reader.state), [...reader.next!], [...answer]];
}

async function read(small: SmallModel, ids: Int32Array, options: MemoryOptions): Promise<Reader> {
  const reader = small.reader(options);
  // As a session reads: whole chunks, then the rest.
  for (let at = 0; at < ids.length;) {
    const count = Math.min(reader.room, ids.length - at);
    await reader.feed(ids.subarray(at, at + count), { goesOn: at + count < ids.length });
    at += count;
  }
  return reader;
}

function changed(ids: Int32Array, { from, to }: IdRange, seed: number): Int32Array {
  const text = ids.slice();
  text.set(randomText(seed, to - from), from);
  return text;
}

// The reach is 24 tokens with two blocks, and 72 with five: at both ends, in the middle, over a
// border, over the last one, in the open section, everywhere.
const RANGES = {
  2: [[0, 1], [85, 97], [150, 190], [190, 195], [196, 199], [0, LENGTH]],
  5: [[100, 101]],
};

for (const topBlocks of [2, 5] as const) {
  testOnEach(`a replaced text is as if it had been read, K = ${topBlocks}`, async (device) => {
    using small = await smallModel(device, SEED);
    const ids = randomText(1, LENGTH);
    const options = { topBlocks, memoryLayers: [1, 2] };
    using original = await read(small, ids, options);
    const before = await all(original);
    for (const [i, [from, to]] of RANGES[topBlocks].entries()) {
      const text = changed(ids, { from, to }, 10 + i);
      using fork = original.fork();
      await fork.replace(text, { from, to });
      using honest = await read(small, text, options);
      const found = await all(fork);
      deepEqual(found, await all(honest), `${from} … ${to}`);
      notDeepEqual(found, before);
    }
    deepEqual(await all(original), before, "the original stays");
  });
}

/** It is the same bookkeeping on a GPU, where lavapipe takes long for it. */
const isCpu = ({ info: { kind } }: Device): boolean => kind !== "gpu";

testOnEach("a text may be replaced again and again, and read on", async (device) => {
  using small = await smallModel(device, SEED);
  let ids = randomText(2, LENGTH);
  using reader = await read(small, ids, {});
  const random = randomFrom(3);
  for (let turn = 0; turn < 4; turn++) {
    const from = random.integer(0, LENGTH - 10);
    const range = { from, to: from + random.integer(1, 10) };
    ids = changed(ids, range, turn);
    await reader.replace(ids, range);
  }
  const more = randomText(4, 30);
  await reader.feed(more);
  using honest = await read(small, ids, {});
  await honest.feed(more);
  deepEqual(await all(reader), await all(honest), "seed 3");
}, isCpu);

testOnEach("what cannot be replaced is refused, and nothing changes", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(1, 100);
  using choosing = await read(small, ids, { choose: { reading: "token" } });
  await rejects(choosing.replace(ids, { from: 1, to: 2 }), {
    name: "RangeError",
    message: 'Cannot replace tokens as choose.reading must be "recent", or they reach all that ' +
      'follows: current value is "token"',
  });
  using forgetful = await read(small, ids, { budget: { host: 20 * 6 * 256 } });
  await rejects(forgetful.replace(ids, { from: 1, to: 2 }), {
    name: "RangeError",
    message: "Cannot replace tokens as all 32 blocks must be remembered: current value is 20",
  });
  using reader = await read(small, ids, {});
  const before = await all(reader);
  for (const [from, to] of [[-1, 2], [5, 5], [5, 101]]) {
    await rejects(reader.replace(ids, { from, to }), {
      name: "RangeError",
      message: /must be in \[0, 133\): current value is/,
    });
  }
  const stopped = AbortSignal.abort(new Error("enough"));
  await rejects(reader.replace(ids, { from: 1, to: 2 }, { signal: stopped }), /enough/);
  deepEqual(await all(reader), before);
});
