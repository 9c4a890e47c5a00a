/** What is drawn ahead is what is drawn one by one, and leaves the same session behind. */

import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import type { Device } from "../../src/device/device.ts";
import { readBytes } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import type { MemoryOptions } from "../../src/memory/options.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import type { GenerateOptions } from "../../src/session/generation.ts";
import { MODELS } from "../attention/models.ts";
import { devices, testOnEach } from "../devices.ts";
import { CONFIG } from "../memory/small_model.ts";
import { openSmall, TEXT } from "./small_cairn.ts";

/** What is generated, on what, and when the caller has enough. */
interface Case {
  readonly options?: GenerateOptions;
  readonly memory?: MemoryOptions;
  readonly config?: ModelConfig;
  readonly text?: string;
  readonly prompt?: string;
  /** Leaves the loop behind so many pieces. */
  readonly pieces?: number;
  /** Aborts behind so many pieces. */
  readonly abortAfter?: number;
  /** Is read after all. */
  readonly after?: string;
  /** Feeding it makes every number behind it NaN. */
  readonly poison?: number;
}

/** A device that is far away, or, as long as `isNear()`, is not; it says when it is read. */
function far(device: Device, isNear: () => boolean, onRead: () => void): Device {
  const info = (): Device["info"] => ({ ...device.info, remote: !isNear() });
  const read: Device["read"] = (tensor) => {
    onRead();
    return device.read(tensor);
  };
  return Object.create(device, { info: { get: info }, read: { value: read } });
}

/** Generates on a session of its own, and tells all that can be seen of it. */
async function generated(device: Device, ahead: boolean, what: Case) {
  const disk = memoryFiles();
  let isNear = false;
  let reads = 0;
  const { config = CONFIG } = what;
  using cairn = await openSmall(far(device, () => isNear, () => reads++), { disk, config });
  if (what.poison !== undefined) {
    const embedding = cairn.model.weights.get("model.embed_tokens.weight")!;
    const [, width] = embedding.shape;
    device.write(embedding, new Float32Array(width).fill(NaN), what.poison * width);
  }
  using session = cairn.session(what.memory ?? {});
  await session.read(what.text ?? "A cairn is a pile of stones that marks a path.");
  // The session's memory is that of a far device; from here on its tokens are drawn one by one.
  isNear = !ahead;
  reads = 0;
  const abort = new AbortController();
  const seen: unknown[] = [];
  let error: unknown;
  try {
    const options = { maxTokens: 20, remember: true, ...what.options, signal: abort.signal };
    for await (const piece of session.generate(what.prompt ?? "So ", options)) {
      const { blocks, tokens } = session.inspect();
      seen.push({ ...piece, held: { blocks, tokens }, shown: session.tokens });
      if (seen.length === what.pieces) break;
      if (seen.length === what.abortAfter) abort.abort(new Error("enough"));
    }
  } catch (caught) {
    error = caught;
  }
  if (what.after !== undefined) await session.read(what.after);
  const held = { ...session.inspect(), scanMs: 0, readMs: 0, tableBytes: 0, totalBytes: 0 };
  const generating = reads;
  await session.save("after.cairn");
  const snapshot = await readBytes(disk, "after.cairn");
  return { reads: generating, told: { seen, error: String(error), held, snapshot } };
}

/** Compares both ways, and gives the ids. */
async function same(device: Device, what: Case) {
  const expected = await generated(device, false, what);
  const { told, reads } = await generated(device, true, what);
  deepEqual(told, expected.told);
  const { seen, error } = told;
  const pieces = seen as { ids: number[] }[];
  return { ids: pieces.flatMap(({ ids }) => ids), error, reads, readsBefore: expected.reads };
}

/** Threads change nothing here. */
const isFor = ({ info: { threads } }: Device): boolean => threads === 1;
/** Ends are the host's affair: one device has them all. */
const isFirst = (device: Device): boolean =>
  device === devices.find(({ device }) => device.info.kind === "cpu")?.device;
const isCheap = (device: Device): boolean => isFor(device) && device.info.kind !== "gpu";
/** Borders are far apart: behind each 48 tokens. */
const LONG = MODELS.find(([name]) => name === "landmark")![1];
const drawn = { temperature: 0.9, seed: 5 };

testOnEach("tokens drawn ahead are those drawn one by one", async (device) => {
  const options = { ...drawn, topK: 40, topP: 0.95, trace: false };
  // A border stands behind the first token that is drawn.
  const { ids, reads, readsBefore } = await same(device, { config: LONG, prompt: "?", options });
  equal(ids.length, 20);
  // One by one a read a token; ahead one for the token at the border, one for each four behind it,
  // and one for what the session knows at the end.
  equal(readsBefore - reads, 20 - (1 + 5 + 1), `${reads} reads, ${readsBefore} before`);
}, isFor);

testOnEach("which blocks all layers read for a token comes back at once", async (device) => {
  const reads = async (trace: boolean) =>
    await same(device, { config: LONG, prompt: "?", options: { ...drawn, trace } });
  const [traced, plain] = [await reads(true), await reads(false)];
  deepEqual(traced.ids, plain.ids);
  // One more for each token drawn but the first, before which nothing is stored.
  equal(traced.readsBefore - plain.readsBefore, 19);
  equal(traced.reads - plain.reads, 19);
}, isFirst);

testOnEach("drawing ahead ends as drawing one by one does", async (device) => {
  const { ids } = await same(device, { options: drawn });
  notDeepEqual((await same(device, {})).ids, ids);
  await same(device, { config: { ...CONFIG, endTokens: [ids[3]] }, options: drawn });
  for (const maxTokens of [0, 1, 2, 3, 5, 6, 7, 9]) {
    await same(device, { options: { ...drawn, maxTokens } });
    await same(device, { options: { ...drawn, maxTokens, remember: false } });
  }
  for (let pieces = 1; pieces < 9; pieces++) await same(device, { options: drawn, pieces });
  for (const abortAfter of [1, 2, 3, 8]) {
    equal((await same(device, { options: drawn, abortAfter })).error, "Error: enough");
    await same(device, { options: { ...drawn, remember: false }, abortAfter });
  }
  const text = String.fromCharCode(...ids);
  for (const at of [1, 4, 5, 6, 11]) {
    await same(device, { options: { ...drawn, stop: text.slice(at, at + 2) } });
  }
  // Prompts of all lengths: the first border is anywhere.
  for (let length = 0; length < 7; length++) {
    await same(device, {
      prompt: "prompts".slice(0, length),
      options: { ...drawn, maxTokens: 12 },
    });
  }
}, isFirst);

testOnEach("drawing ahead leaves memories of all kinds as they should be", async (device) => {
  for (const [, config] of MODELS) {
    await same(device, { config, options: drawn });
    await same(device, { config, options: drawn, pieces: 3 });
  }
  const block = 3 * 2 * 2 * 4 * 8 * 2;
  const budget = { host: 17 * block };
  const full = await same(device, { memory: { budget, whenFull: "error" } });
  ok(full.error.startsWith("MemoryFullError"), full.error);
  await same(device, { memory: { budget }, options: drawn });
  // What is read for tokens that are given up must not count as read.
  const byUse = {
    evict: "leastRecentlyRead",
    choose: { asking: "heads" },
    budget: { host: 48 * block },
  } as const;
  const [text, after] = [TEXT.slice(0, 141), TEXT.slice(0, 70)];
  await same(device, { memory: byUse, text, prompt: "So", options: drawn, pieces: 1, after });
  await same(device, { memory: { budget: { device: 20 * block } }, options: drawn });
}, isCheap);

testOnEach("forks that draw ahead may forget each other's blocks", async (device) => {
  using cairn = await openSmall(far(device, () => false, () => {}));
  const block = 3 * 2 * 2 * 4 * 8 * 2;
  using session = cairn.session({ budget: { host: 17 * block } });
  await session.read("A cairn is a pile of stones that marks a path.");
  const answers = await Promise.all(["a", "b", "c"].map(async (prompt) => {
    using fork = await session.fork();
    const pieces = await Array.fromAsync(fork.generate(prompt, { maxTokens: 30, remember: true }));
    return pieces.flatMap(({ ids }) => [...ids]).length;
  }));
  deepEqual(answers, [30, 30, 30]);
  ok(session.inspect().evictedBlocks > 5);
}, isCheap);

testOnEach("drawing ahead tells of logits that are none when their turn comes", async (device) => {
  const config = { ...CONFIG, tied: false };
  const plain = await same(device, { config });
  const poison = plain.ids.findLast((id, i) => i < 12 && plain.ids.indexOf(id) === i)!;
  const { ids: shown, error } = await same(device, { config, poison });
  deepEqual(shown, plain.ids.slice(0, plain.ids.indexOf(poison) + 1));
  equal(
    error,
    "RangeError: Cannot sample as logits must be numbers below infinity: logit 0 is NaN",
  );
}, isCheap);
