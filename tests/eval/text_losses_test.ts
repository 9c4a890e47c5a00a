import { equal, ok, rejects } from "node:assert/strict";
import { open } from "../../src/cairn.ts";
import { sessionLosses, windowLosses } from "../../src/eval/text_losses.ts";
import { denoFiles } from "../../src/io/deno_files.ts";
import { readText } from "../../src/io/files.ts";
import { assertClose } from "../close.ts";

const MODEL = "models/tiny";
const text = (await readText(denoFiles(), "books/opticks.txt")).slice(5000, 6500);

Deno.test("windowLosses() and sessionLosses() agree where both see everything", async () => {
  using cairn = await open(MODEL, { threads: 1 });
  const ids = cairn.tokenizer.encode(text).subarray(0, 189); // one section
  using session = cairn.session();
  const read = await sessionLosses(session, ids);
  for (const length of [192, 512]) {
    const dense = await windowLosses(cairn, ids, { length });
    equal(dense[0], 0);
    assertClose(dense, read, { atol: 2e-4, rtol: 1e-4 });
  }
});

Deno.test("windowLosses() takes every token from the first window that holds it", async () => {
  using cairn = await open(MODEL, { threads: 1 });
  const ids = cairn.tokenizer.encode(text).subarray(0, 500);
  const length = 128;
  const span = 126;
  for (const stride of [40, 63, 126]) {
    const losses = await windowLosses(cairn, ids, { length, stride, batch: 3 });
    const expected = new Float64Array(ids.length);
    let done = 1;
    for (let start = 0; done < ids.length; start += stride) {
      const window = ids.subarray(start, start + span + 1);
      const alone = await windowLosses(cairn, window, { length });
      for (let i = 1; i < window.length; i++) {
        if (start + i >= done) expected[start + i] = alone[i];
      }
      done = start + window.length;
    }
    assertClose(losses, expected, { atol: 1e-5, rtol: 1e-5 });
    ok(losses.subarray(1).every((loss) => loss > 0), `stride ${stride}`);
  }
});

Deno.test("windowLosses() refuses a stride that leaves gaps, and stops when it is told to", async () => {
  using cairn = await open(MODEL, { threads: 1 });
  const ids = cairn.tokenizer.encode(text);
  await rejects(windowLosses(cairn, ids, { length: 128, stride: 127 }), {
    name: "RangeError",
    message: /stride must be in \[1, 126\]: current value is 127/,
  });
  const signal = AbortSignal.abort();
  await rejects(windowLosses(cairn, ids, { length: 128, signal }), { name: "AbortError" });
});
