import { deepEqual, equal, notEqual, ok, rejects, throws } from "node:assert/strict";
import { writeText } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { parseConfig } from "../../src/model/config.ts";
import { ReadError } from "../../src/session/read_error.ts";
import { assertClose, EXACT } from "../close.ts";
import { isNear, testOnEach } from "../devices.ts";
import { CONFIG } from "../memory/small_model.ts";
import { answer, openSmall, TEXT } from "./small_cairn.ts";

function streamOf<T>(...parts: T[]): ReadableStream<T> {
  return ReadableStream.from(parts);
}

testOnEach("read() takes text, streams of text and streams of bytes alike", async (device) => {
  using cairn = await openSmall(device);
  const bytes = new TextEncoder().encode(TEXT);
  const pieces = Array.from({ length: bytes.length }, (_, i) => bytes.subarray(i, i + 1));
  // By chunk, so that a cut that differed would show.
  const options = { choose: { reading: "chunk" } } as const;
  using whole = cairn.session(options);
  const stats = await whole.read(TEXT);
  equal(stats.tokens, bytes.length);
  equal(whole.tokens, bytes.length);
  const expected = await answer(whole, "?");
  for (const source of [streamOf(...TEXT), streamOf(...pieces), streamOf(bytes)]) {
    using session = cairn.session(options);
    equal((await session.read(source as ReadableStream<string>)).tokens, bytes.length);
    deepEqual((await answer(session, "?")).ids, expected.ids);
  }
}, isNear);

testOnEach("generate() leaves the session as it was, and is the same again", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  await session.read(TEXT);
  const before = session.inspect();
  const first = await answer(session, "Where?");
  equal(session.tokens, before.tokens);
  equal(session.inspect().totalBytes >= before.totalBytes, true);
  deepEqual(await answer(session, "Where?"), first);
  const seeded = { temperature: 1, seed: 7 };
  const second = await answer(session, "Where?", seeded);
  deepEqual((await answer(session, "Where?", seeded)).ids, second.ids);
  notEqual((await answer(session, "Where?", { ...seeded, seed: 8 })).text, second.text);
});

testOnEach("no text, id or piece ever shows a landmark", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  await session.read(TEXT);
  const { ids, pieces } = await answer(session, "x", { maxTokens: 60, temperature: 3, seed: 1 });
  equal(ids.length, 60);
  ok(ids.every((id) => id < 256));
  const layers = CONFIG.layers;
  for (const { blocks } of pieces.filter(({ ids }) => ids.length > 0)) {
    deepEqual(blocks.map(({ layer }) => layer), Array.from({ length: layers }, (_, i) => i));
    for (const { numbers, rows, heads, k } of blocks) {
      equal(numbers.length, rows * heads * k);
      ok(numbers.every((n) => n >= 0 && n < session.tokens));
    }
  }
  for (const wrong of [[256], [-1], [260], [1.5]]) {
    await rejects(session.readIds(wrong), {
      name: "RangeError",
      message:
        "Cannot read ids as each must be an integer in [0, 260) and not the landmark, 256: " +
        `id 0 is ${wrong[0]}`,
    });
  }
  equal(session.tokens, new TextEncoder().encode(TEXT).length);
}, isNear);

testOnEach("generate() with remember goes on with the session itself", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  await session.read(TEXT);
  const forked = await answer(session, "So ", { maxTokens: 20 });
  const before = session.tokens;
  for await (const piece of session.generate("So ", { maxTokens: 20, remember: true })) {
    if (session.tokens - before === 3 + 9) break;
    ok(piece.ids.length <= 1);
  }
  equal(session.tokens, before + 12);
  const rest = await answer(session, "", { maxTokens: 11 });
  deepEqual(rest.ids, forked.ids.slice(9));
});

testOnEach(
  "generate() ends before a stop text, at an end token and at maxTokens",
  async (device) => {
    using cairn = await openSmall(device);
    using session = cairn.session();
    await session.read(TEXT);
    const { text, ids } = await answer(session, "go", { maxTokens: 40 });
    const stop = text.slice(5, 7);
    const cut = await answer(session, "go", { maxTokens: 40, stop: [stop, "never"] });
    equal(cut.text, text.slice(0, text.indexOf(stop)));
    deepEqual((await answer(session, "go", { maxTokens: 0 })).pieces, []);
    equal((await answer(session, "go", { maxTokens: 3 })).ids.length, 3);

    const config = { ...CONFIG, endTokens: [ids[2]] };
    using ending = await openSmall(device, { config });
    using other = ending.session();
    await other.read(TEXT);
    deepEqual((await answer(other, "go")).ids, ids.slice(0, ids.indexOf(ids[2])));
  },
);

testOnEach("calls on one session wait for each other, and forks do not", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  const [first, second] = [TEXT.slice(0, 50), TEXT.slice(50)];
  const reads = [session.read(first), session.read(second)];
  using fork = await session.fork();
  await Promise.all(reads);
  equal(fork.tokens, session.tokens);
  using plain = cairn.session();
  await plain.read(first);
  await plain.read(second);
  const answers = await Promise.all([
    answer(session, "a"),
    answer(fork, "b"),
    answer(session, "b"),
    answer(plain, "a"),
  ]);
  deepEqual(answers[0].ids, answers[3].ids);
  deepEqual(answers[1].ids, answers[2].ids);
});

testOnEach("a read that is aborted stands at a chunk border, and can go on", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  const ids = [...new TextEncoder().encode(TEXT)];
  const abort = new AbortController();
  const onProgress = ({ tokens, total }: { tokens: number; total: number | undefined }) => {
    equal(total, ids.length);
    if (tokens >= 30) abort.abort(new Error("enough"));
  };
  const error = await session.readIds(ids, { signal: abort.signal, onProgress })
    .then(() => undefined, (error) => error);
  ok(error instanceof ReadError);
  equal(error.tokensRead, 30);
  equal(error.message, "Cannot read on after 30 tokens, which are remembered: enough");
  equal(session.tokens, 30);
  await session.readIds(ids.slice(30));
  using whole = cairn.session();
  await whole.readIds(ids);
  deepEqual((await answer(session, "?")).ids, (await answer(whole, "?")).ids);
});

testOnEach("text that is none stops a read, and says where", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  const good = new TextEncoder().encode("Fourteen bytes");
  const error = await session.read(streamOf(good, Uint8Array.of(0xff, 0x41)))
    .then(() => undefined, (error) => error);
  ok(error instanceof ReadError);
  equal(
    (error.cause as Error).message,
    "Cannot read text as it must be UTF-8: unexpected 0xff at byte 14",
  );
  equal(error.tokensRead, 12, "two chunks of six");
  equal(session.tokens, 12);
  await rejects(session.read("half of \ud800 pair"), RangeError);
  throws(() => session.generate("half of \ud800 pair"), RangeError);
  equal((await session.read("")).tokens, 0);
  equal(session.tokens, 12);
  await session.read("still of use");
}, isNear);

testOnEach("a stream that fails stops a read, and is told as it failed", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  const failing = new ReadableStream<string>({
    pull(controller) {
      controller.enqueue("some text, and ");
      controller.error(new Error("the line went dead"));
    },
  });
  await rejects(session.read(failing), { name: "ReadError", message: /the line went dead/ });
  await session.read("and on");
}, isNear);

testOnEach("a text that cannot fit is refused before it is read", async (device) => {
  using cairn = await openSmall(device);
  const block = 3 * 2 * 2 * 4 * 8 * 2;
  using session = cairn.session({ whenFull: "error", budget: { host: 10 * block } });
  equal(session.missingBytes(30), 0);
  equal(session.missingBytes(60), 10 * block);
  await rejects(session.readIds(Array(60).fill(97)), {
    name: "MemoryFullError",
    message: 'Cannot read 60 tokens as the budget must hold them and whenFull is "error": ' +
      `${10 * block} bytes are missing`,
    missingBytes: 10 * block,
  });
  equal(session.tokens, 0);
  const error = await session.read(streamOf("a".repeat(60))).catch((error) => error);
  ok(error instanceof ReadError);
  equal(error.tokensRead, 30);
  equal(session.tokens, 30);
  equal((await answer(session, "?", { maxTokens: 4 })).ids.length, 4, "a section has room");
  await rejects(answer(session, "?"), { name: "MemoryFullError" });
  equal(session.tokens, 30);
}, isNear);

testOnEach("logits() are those behind every id, however they are asked for", async (device) => {
  using cairn = await openSmall(device);
  const ids = [...new TextEncoder().encode(TEXT)].slice(0, 50);
  using session = cairn.session();
  const all = await session.logits(ids);
  equal(all.length, 50 * CONFIG.vocab);
  using some = cairn.session();
  await some.readIds(ids.slice(0, 20));
  const rest = await some.logits(ids.slice(20), { from: 10 });
  assertClose(rest, all.subarray(30 * CONFIG.vocab), { atol: 2e-5, rtol: 2e-5 });
  using marked = cairn.session();
  const withLandmarks = ids.flatMap((id, i) => i % 3 === 2 ? [id, 256] : [id]);
  const rows = await marked.logits(withLandmarks, { marked: true });
  assertClose(rows.subarray(0, CONFIG.vocab), all.subarray(0, CONFIG.vocab), EXACT);
  equal(marked.tokens, 50);
  await rejects(marked.logits([256], { marked: true }), RangeError);
});

testOnEach("a saved session goes on to the same text", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  await session.read(TEXT);
  await session.save("a.cairn");
  using again = await cairn.restore("a.cairn");
  equal(again.tokens, session.tokens);
  deepEqual((await answer(again, "?")).ids, (await answer(session, "?")).ids);
  deepEqual((await answer(again, "")).ids, (await answer(session, "")).ids);
});

Deno.test("a snapshot of another model is refused; one of another device is not", async () => {
  const disk = memoryFiles();
  const openOn = async (device: "cpu" | "reference", config = CONFIG) => {
    const { referenceDevice } = await import("../../src/device/reference/reference_device.ts");
    const { openDevice } = await import("../../src/device/open.ts");
    const opened = device === "reference" ? referenceDevice() : await openDevice({ threads: 1 });
    return await openSmall(opened, { disk, config });
  };
  using cpu = await openOn("cpu");
  using session = cpu.session();
  await session.read(TEXT);
  await session.save("a.cairn");
  using reference = await openOn("reference");
  using there = await reference.restore("a.cairn");
  assertClose(await there.logits([97]), await session.logits([97]), { atol: 1e-4, rtol: 1e-4 });
  using other = await openOn("cpu", { ...CONFIG, epsilon: 1e-6 });
  await rejects(other.restore("a.cairn"), {
    name: "SnapshotError",
    message: 'Cannot restore "a.cairn" as it is of another model',
  });
  await writeText(disk, "b.cairn", "no snapshot, but long enough to be one: ".repeat(3));
  await rejects(cpu.restore("b.cairn"), { name: "SnapshotError" });
  await rejects(cpu.restore("c.cairn"), { name: "FileError", problem: "missing" });
});

testOnEach("what a session held is freed, whatever it was doing", async (device) => {
  using cairn = await openSmall(device);
  const before = device.bytes;
  {
    using session = cairn.session();
    await session.read(TEXT);
    for await (const _ of session.generate("?")) break;
    const fork = await session.fork();
    fork[Symbol.dispose]();
    fork[Symbol.dispose]();
    await rejects(fork.read("x"), {
      name: "TypeError",
      message: "Cannot use a session that was disposed",
    });
    const abort = AbortSignal.abort(new Error("no"));
    await rejects(answer(session, "?", { signal: abort }), { message: "no" });
    await rejects(session.save("no folder/a.cairn"), { name: "FileError" });
  }
  equal(device.bytes, before);
  const busy = cairn.session();
  const reading = busy.read(TEXT);
  busy[Symbol.dispose]();
  await reading.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve));
  equal(device.bytes, before);
});

testOnEach("inspect() tells what is held, and what a token costs", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session({ memoryLayers: [0, 2] });
  await session.read(TEXT);
  const held = session.inspect();
  equal(held.bytesPerToken, 2 * 2 * CONFIG.kvHeads * CONFIG.headDim * 2);
  equal(held.tokens, session.tokens);
  equal(held.blocks, Math.floor(session.tokens / 6) * 2);
  const { localBytes, landmarkBytes, poolBytes, hostBytes, fileBytes, tableBytes } = held;
  equal(
    held.totalBytes,
    localBytes + landmarkBytes + poolBytes + hostBytes + fileBytes + tableBytes,
  );
}, isNear);

testOnEach("an empty prompt needs something to go on from", async (device) => {
  using cairn = await openSmall(device);
  using session = cairn.session();
  await rejects(answer(session, ""), {
    name: "RangeError",
    message:
      "Cannot generate as the prompt must not be empty unless the session has read to an end",
  });
  throws(() => session.generate("x", { maxTokens: -1 }), RangeError);
  throws(() => session.generate("x", { temperature: -1 }), RangeError);
}, isNear);

testOnEach("the first text of all has the model's opening token before it", async (device) => {
  const config = parseConfig(JSON.stringify({
    model_type: "llama",
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    head_dim: 8,
    vocab_size: 260,
    max_position_embeddings: 64,
    bos_token_id: 257,
    tie_word_embeddings: true,
    tokenizer: "bytes",
    landmark: { block_size: 4, token_id: 256, top_blocks: 2, chunk: 8 },
  }));
  using cairn = await openSmall(device, { config });
  using session = cairn.session();
  await session.read("ab");
  await session.read("cd");
  equal(session.tokens, 5);
  using ids = cairn.session();
  await ids.readIds([257, 97, 98, 99, 100]);
  deepEqual((await answer(session, "x")).ids, (await answer(ids, "x")).ids);
});
