import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { readBytes, writeBytes } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { SnapshotError } from "../../src/memory/memory_error.ts";
import type { MemoryOptions } from "../../src/memory/options.ts";
import { openSnapshot, writeSnapshot } from "../../src/memory/snapshot.ts";
import type { Reader } from "../../src/session/reader.ts";
import {
  restoreReader,
  saveReader,
  type SnapshotParts,
} from "../../src/session/session_snapshot.ts";
import { assertClose, EXACT } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { CONFIG, randomText, readInCuts, type SmallModel, smallModel } from "./small_model.ts";

const SEED = 31;
const PIECE = 2 * 4 * 8 * 4;
const BLOCK = 3 * 2 * PIECE;
const byToken = { reading: "token", asking: "token" } as const;

function partsOf(small: SmallModel): SnapshotParts {
  return {
    files: small.files,
    mechanism: "landmark",
    vocab: CONFIG.vocab,
    fingerprint: () => Promise.resolve("stone"),
  };
}

function restore(small: SmallModel, path: string, options: MemoryOptions = {}): Promise<Reader> {
  return restoreReader(partsOf(small), path, async (saved) => {
    const { device, mechanism, bookkeeping, files } = small;
    return small.readerOf(
      await mechanism.restore(device, saved, { ...options, bookkeeping, files }),
    );
  });
}

const CASES: { name: string; length: number; options: MemoryOptions }[] = [
  { name: "nothing", length: 0, options: {} },
  { name: "half a block", length: 2, options: {} },
  { name: "a whole chunk", length: 6, options: {} },
  { name: "much", length: 700, options: { storage: "f16" } },
  { name: "blocks of one layer", length: 100, options: { memoryLayers: [1] } },
  { name: "no long memory", length: 50, options: { memoryLayers: [] } },
  {
    name: "blocks in a file, others forgotten",
    length: 100,
    options: { budget: { host: 2 * BLOCK, file: { path: "tier", bytes: 5 * BLOCK } } },
  },
];

/** The same budget, with a file of its own. */
function againOf({ budget }: MemoryOptions): MemoryOptions {
  if (!budget?.file) return {};
  return { budget: { ...budget, file: { ...budget.file, path: "other" } } };
}

for (const { name, length, options } of CASES) {
  testOnEach(`a session that holds ${name} goes on to the same bits`, async (device) => {
    using small = await smallModel(device, SEED);
    using reader = small.reader({ choose: byToken, ...options });
    await reader.feed(randomText(1, length));
    await saveReader(partsOf(small), reader, "a.cairn");
    using other = await restore(small, "a.cairn", againOf(options));
    equal(other.state.length, reader.state.length);
    equal(other.state.usage.blocks, reader.state.usage.blocks);
    const more = randomText(2, 30);
    assertClose(await readInCuts(other, more), await readInCuts(reader, more), EXACT);
  });
}

testOnEach("a restored session may have another budget and other choices", async (device) => {
  using small = await smallModel(device, SEED);
  using reader = small.reader({ choose: byToken });
  await reader.feed(randomText(3, 90));
  await saveReader(partsOf(small), reader, "a.cairn");
  using tight = await restore(small, "a.cairn", { budget: { host: 10 * BLOCK } });
  equal(tight.state.usage.blocks, 10);
  equal(tight.state.usage.evictedBlocks, 20);
  using recent = await restore(small, "a.cairn", { choose: { reading: "recent" } });
  using plain = small.reader();
  await plain.feed(randomText(3, 90));
  ok((await readInCuts(recent, randomText(4, 9))).every(Number.isFinite));
  await rejects(restore(small, "a.cairn", { chunk: 16 }), {
    name: "RangeError",
    message: "Cannot restore a memory as chunk must be what it was saved with, 8: " +
      "current value is 16",
  });
});

testOnEach("a snapshot of another model or mechanism is refused", async (device) => {
  using small = await smallModel(device, SEED);
  using reader = small.reader();
  await reader.feed(randomText(5, 20));
  await saveReader(partsOf(small), reader, "a.cairn");
  const build = () => Promise.reject(new Error("built"));
  const other = { ...partsOf(small), fingerprint: () => Promise.resolve("sand") };
  await rejects(restoreReader(other, "a.cairn", build), {
    name: "SnapshotError",
    message: 'Cannot restore "a.cairn" as it is of another model',
  });
  const named = { ...partsOf(small), mechanism: "infini" };
  await rejects(restoreReader(named, "a.cairn", build), {
    name: "SnapshotError",
    message:
      'Cannot restore "a.cairn" as its mechanism must be "infini": current value is "landmark"',
  });
});

testOnEach("a disk that is full while saving leaves the old snapshot whole", async (device) => {
  using small = await smallModel(device, SEED);
  const files = memoryFiles({}, { capacityBytes: 40_000 });
  const parts = { ...partsOf(small), files };
  using reader = small.reader();
  await reader.feed(randomText(6, 12));
  await saveReader(parts, reader, "a.cairn");
  const old = await readBytes(files, "a.cairn");
  await reader.feed(randomText(6, 200));
  await rejects(saveReader(parts, reader, "a.cairn"), { name: "FileError", problem: "full" });
  deepEqual(await readBytes(files, "a.cairn"), old);
  deepEqual(await files.list(""), ["a.cairn"]);
});

testOnEach("any change to a snapshot is found", async (device) => {
  if (device.info.kind === "reference" || device.info.threads > 1) return; // the file is the same
  using small = await smallModel(device, SEED);
  using reader = small.reader();
  await reader.feed(randomText(7, 25));
  await saveReader(partsOf(small), reader, "a.cairn");
  const whole = await readBytes(small.files, "a.cairn");
  const random = randomFrom(99);
  const refused = async (bytes: Uint8Array, what: string): Promise<void> => {
    await writeBytes(small.files, "b.cairn", bytes);
    await rejects(restore(small, "b.cairn"), SnapshotError, `${what}, seed ${random.seed}`);
  };
  const at = () => random.integer(0, whole.length - 1);
  for (let i = 0; i < 150; i++) {
    const changed = whole.slice();
    const place = i < 64 ? i : at();
    changed[place] ^= 1 << random.integer(0, 7);
    await refused(changed, `bit of byte ${place}`);
  }
  for (let i = 0; i < 40; i++) await refused(whole.slice(0, at()), "cut");
  for (let i = 0; i < 10; i++) {
    const longer = new Uint8Array(whole.length + random.integer(1, 100));
    longer.set(whole);
    await refused(longer, "padded");
    const [from, to] = [at(), at()].sort((a, b) => a - b);
    if (to > from) {
      await refused(new Uint8Array([...whole.slice(0, from), ...whole.slice(to)]), "cut out");
    }
    const noise = Uint8Array.from(random.integers(random.integer(0, 300), 0, 255));
    await refused(noise, "noise");
  }
});

Deno.test("a snapshot says what is wrong with it", async () => {
  const files = memoryFiles();
  const records = async function* () {
    yield Uint8Array.of(1, 2, 3);
    yield new Uint8Array(0);
  };
  await writeSnapshot(files, "a", { stones: 3 }, records());
  {
    using snapshot = await openSnapshot(files, "a");
    deepEqual(snapshot.about, { stones: 3, records: 2 });
    deepEqual((await Array.fromAsync(snapshot.records())).map((x) => [...x]), [[1, 2, 3], []]);
  }
  const whole = await readBytes(files, "a");
  const change = async (place: number, value: number, message: string): Promise<void> => {
    const bytes = whole.slice();
    bytes[place] = value;
    await writeBytes(files, "b", bytes);
    const read = async () => {
      using snapshot = await openSnapshot(files, "b");
      await Array.fromAsync(snapshot.records());
    };
    await rejects(read(), { name: "SnapshotError", message: `Cannot restore "b" as ${message}` });
  };
  await change(0, 0, "it is no snapshot");
  await change(8, 2, "its version must be 1: current value is 2");
  await change(
    16,
    9,
    `it must be ${whole.length - whole[16] + 9} bytes long: current value is ${whole.length}`,
  );
  await change(whole.length - 2, 0, "its description was altered");
  await change(72, 0, "record 0 of 2 was altered");
});
