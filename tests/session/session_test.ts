import { deepEqual, equal, rejects } from "node:assert/strict";
import { assertClose, EXACT } from "../close.ts";
import { isNear, testOnEach } from "../devices.ts";
import { CONFIG } from "../memory/small_model.ts";
import { answer, openSmall, TEXT } from "./small_cairn.ts";

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
