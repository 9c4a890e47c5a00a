import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { parseConfig } from "../../src/model/config.ts";
import { ReadError } from "../../src/session/read_error.ts";
import { isNear, testOnEach } from "../devices.ts";
import { SMALL } from "../memory/small_model.ts";
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

testOnEach("the first text of all has the model's opening token before it", async (device) => {
  const config = parseConfig(JSON.stringify({ ...SMALL, bos_token_id: 257 }));
  using cairn = await openSmall(device, { config });
  using session = cairn.session();
  await session.read("ab");
  await session.read("cd");
  equal(session.tokens, 5);
  using ids = cairn.session();
  await ids.readIds([257, 97, 98, 99, 100]);
  deepEqual((await answer(session, "x")).ids, (await answer(ids, "x")).ids);
});
