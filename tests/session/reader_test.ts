import { ok } from "node:assert/strict";
import { open } from "../../src/cairn.ts";
import type { Tensor } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";

const TEXT = Array.from({ length: 700 }, (_, i) => 32 + (i * 37 + (i >> 3)) % 90);
const TAIL = [84, 104, 101, 32, 108, 105, 103, 104, 116];

Deno.test("reading without asking what comes next remembers the same", async () => {
  using cairn = await open("tests/golden_tiny/model", { device: "cpu", threads: 1 });
  using asked = cairn.session();
  await asked.logits(TEXT);
  using read = cairn.session();
  await read.readIds(TEXT);
  assertClose(await read.logits(TAIL), await asked.logits(TAIL), EXACT);
});

Deno.test("reading leaves the last layer's output out, but for the end", async () => {
  using cairn = await open("tests/golden_tiny/model", { device: "cpu", threads: 1 });
  const attended = async (read: () => Promise<unknown>): Promise<number> => {
    const { memoryAttention } = cairn.device;
    let rows = 0;
    cairn.device.memoryAttention = (queries: Tensor, ...rest) => {
      rows += queries.shape[0];
      memoryAttention.call(cairn.device, queries, ...rest);
    };
    await read();
    cairn.device.memoryAttention = memoryAttention;
    return rows;
  };
  using session = cairn.session();
  using other = cairn.session();
  const all = await attended(() => session.logits(TEXT));
  const fewer = await attended(() => other.readIds(TEXT));
  // 700 ids are 711 tokens, 576 of them in three whole sections of 192.
  ok(all === 6 * 711 && fewer === 6 * 711 - 576, `${all} and ${fewer} rows of queries`);
});

Deno.test("a timer has its turn while a text is read on the CPU", async () => {
  using cairn = await open("tests/golden_tiny/model", { device: "cpu", threads: 1 });
  using session = cairn.session();
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  try {
    await session.readIds(Array.from({ length: 6000 }, (_, i) => TEXT[i % TEXT.length]));
    ok(turns > 0, "no turn in all of it");
  } finally {
    clearInterval(timer);
  }
});
