import { deepEqual, equal, notEqual, ok, rejects, throws } from "node:assert/strict";
import { isNear, testOnEach } from "../devices.ts";
import { CONFIG } from "../memory/small_model.ts";
import { answer, openSmall, TEXT } from "./small_cairn.ts";

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
