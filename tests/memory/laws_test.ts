/** The laws of docs/memory.md, with a whole model of random weights on every device. */
import { equal, notDeepEqual } from "node:assert/strict";
import type { BlockChoice, MemoryOptions } from "../../src/memory/options.ts";
import { attendRows } from "../../src/attention/attend_rows.ts";
import type { State } from "../../src/attention/mechanism.ts";
import { eagerOps } from "../../src/device/ops.ts";
import { hiddenStates } from "../../src/model/transformer.ts";
import { assertClose, EXACT } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { randomText, readInCuts, smallModel } from "./small_model.ts";

/** Sums are in another order where tokens come in other company. */
const NEAR = { atol: 2e-5, rtol: 2e-5 };
const SEED = 11;

const CHOICES: readonly BlockChoice[] = ["token", "chunk", "heads", "recent"];
const both = (choice: BlockChoice) => ({ reading: choice, asking: choice });

for (const choice of CHOICES) {
  testOnEach(
    `reading by ${choice} equals dense attention while K is at least n`,
    async (device) => {
      using small = await smallModel(device, SEED);
      const ids = randomText(1, 50);
      using reader = small.reader({ topBlocks: 20, choose: both(choice) });
      assertClose(await readInCuts(reader, ids, [5, 6, 31]), await small.dense(ids), NEAR);
    },
  );
}

testOnEach("a section that is never full equals dense attention", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(2, 40);
  using reader = small.reader({ chunk: 64 });
  assertClose(await readInCuts(reader, ids, [1, 2, 17]), await small.dense(ids), NEAR);
});

for (const choice of ["token", "heads", "recent"] as const) {
  testOnEach(`reading by ${choice} does not depend on how calls cut the text`, async (device) => {
    using small = await smallModel(device, SEED);
    const ids = randomText(3, 60);
    using whole = small.reader({ choose: both(choice) });
    const expected = await readInCuts(whole, ids);
    for (const seed of [1, 2]) {
      const random = randomFrom(seed);
      const cuts = [...random.integers(6, 1, ids.length - 1)].sort((a, b) => a - b);
      using reader = small.reader({ choose: both(choice) });
      const actual = await readInCuts(reader, ids, cuts);
      assertClose(actual, expected, NEAR, `cut at ${cuts}, seed ${seed}`);
    }
  });
}

testOnEach("reading by chunk depends on the cut, and choices differ", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(3, 60);
  const read = async (choice: BlockChoice, cuts: number[]) => {
    using reader = small.reader({ choose: both(choice) });
    return await readInCuts(reader, ids, cuts);
  };
  const whole = await read("chunk", []);
  notDeepEqual(await read("chunk", [33, 35, 37]), whole);
  for (const choice of ["token", "heads", "recent"] as const) {
    notDeepEqual(await read(choice, []), whole, choice);
  }
});

testOnEach("what comes later changes nothing before", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(4, 45);
  using short = small.reader({ choose: both("token") });
  using long = small.reader({ choose: both("token") });
  const { vocab } = small.model.config;
  const all = await readInCuts(long, ids);
  const some = await readInCuts(short, ids.subarray(0, 30));
  assertClose(all.subarray(0, 30 * vocab), some, NEAR);
});

const PIECE = 2 * 4 * 8 * 4;
const BLOCK = 3 * 2 * PIECE;

testOnEach("results depend neither on the tier nor on the size of the pool", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(5, 80);
  const read = async (options: MemoryOptions) => {
    using reader = small.reader({ choose: both("token"), ...options });
    const logits = await readInCuts(reader, ids);
    return { logits, usage: reader.state.usage };
  };
  const plain = await read({});
  for (const evict of ["oldest", "leastRecentlyRead"] as const) {
    const file = { path: "tier", bytes: 100 * BLOCK };
    // The least there may be: one block in the host, and in the pool what one token reads.
    const device = 4 * 2 * PIECE;
    const other = await read({ evict, budget: { device, host: BLOCK, file } });
    assertClose(other.logits, plain.logits, NEAR, evict);
    equal(other.usage.evictedBlocks, 0);
    equal(other.usage.demotedBlocks, other.usage.blocks - 1);
    equal(plain.usage.demotedBlocks, 0);
  }
  equal(await small.files.stat("tier"), undefined, "the file goes with the session");
});

testOnEach("batch row never matters", async (device) => {
  using small = await smallModel(device, SEED);
  const { model } = small;
  using readers = new DisposableStack();
  // Lengths behind which no landmark is due: the tokens below are read as they are.
  const texts = [randomText(6, 30), randomText(7, 13), randomText(8, 48)];
  const last = [Int32Array.of(97, 98), Int32Array.of(99), Int32Array.of(100, 101)];
  const states: State[] = [];
  const alone: Float32Array[] = [];
  for (const [i, ids] of texts.entries()) {
    const reader = readers.use(small.reader());
    await reader.feed(ids);
    using fork = reader.fork();
    await fork.feed(last[i], { purpose: "asking" });
    alone.push(fork.next!);
    states.push(reader.state);
  }
  using ops = eagerOps(device);
  for (const order of [[0, 1, 2], [2, 0, 1]]) {
    using steps = new DisposableStack();
    const begun = order.map((i) =>
      steps.use(states[i].step(last[i].length, { purpose: "asking" }))
    );
    const data = order.flatMap((i) => [...last[i]]);
    const ids = ops.input([data.length], { dtype: "i32", data });
    const hidden = await hiddenStates(ops, model, ids, attendRows(begun));
    const logits = ops.linear(hidden, model.weights.get("model.embed_tokens.weight")!);
    const all = Float32Array.from(await device.read(logits));
    let end = 0;
    for (const i of order) {
      end += last[i].length;
      const row = all.subarray((end - 1) * model.config.vocab, end * model.config.vocab);
      assertClose(row, alone[i], NEAR, `row of text ${i} in order ${order}`);
    }
  }
});

testOnEach("a step that is not committed leaves no trace", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(9, 40);
  using reader = small.reader();
  await reader.feed(ids.subarray(0, 21));
  {
    using step = reader.state.step(2);
    using ops = eagerOps(device);
    const tokens = ops.input([2], { dtype: "i32", data: [1, 2] });
    await hiddenStates(ops, small.model, tokens, step.attend);
  }
  const rest = await readInCuts(reader, ids.subarray(21));
  using other = small.reader();
  await other.feed(ids.subarray(0, 21));
  assertClose(rest, await readInCuts(other, ids.subarray(21)), EXACT);
});

testOnEach("a fork goes on alone, and shares what is stored", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(10, 60);
  using reader = small.reader({ choose: both("token") });
  await reader.feed(ids.subarray(0, 37));
  const { hostBytes } = reader.state.usage;
  const left = reader.fork();
  const right = reader.fork();
  await right.feed(randomText(11, 30));
  const expected = await readInCuts(left, ids.subarray(37));
  left[Symbol.dispose]();
  right[Symbol.dispose]();
  assertClose(await readInCuts(reader, ids.subarray(37)), expected, EXACT);
  equal(reader.state.usage.hostBytes, hostBytes, "all fit in the first segment");
});

testOnEach("layers without a long memory keep their last K blocks only", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(12, 90);
  const read = async (options: MemoryOptions) => {
    using reader = small.reader({ choose: both("token"), ...options });
    return await readInCuts(reader, ids);
  };
  assertClose(await read({ memoryLayers: [] }), await read({ choose: both("recent") }), EXACT);
  notDeepEqual(await read({ memoryLayers: [2] }), await read({ memoryLayers: [] }));
  // What they do not keep takes no room: 30 blocks of one layer, and K + 2 of all on their way.
  const least = { host: 30 * 2 * PIECE + 4 * BLOCK };
  using reader = small.reader({ memoryLayers: [1], whenFull: "error", budget: least });
  await reader.feed(ids);
  equal(reader.state.usage.blocks, 30);
});

testOnEach("f16 storage is near f32 storage", async (device) => {
  using small = await smallModel(device, SEED);
  const ids = randomText(13, 60);
  const read = async (storage: "f16" | "f32") => {
    using reader = small.reader({ storage });
    return await readInCuts(reader, ids);
  };
  const halves = await read("f16");
  const full = await read("f32");
  notDeepEqual(halves, full);
  assertClose(halves, full, { atol: 2e-2, rtol: 2e-2 });
});
