import { deepEqual, equal, match } from "node:assert/strict";
import { QUESTION, run, textFile } from "./command_line.ts";

Deno.test("ask answers from a text, and from what it saved of it", async () => {
  using text = await textFile(4000);
  const saved = `${text.folder}/book.cairn`;
  const first = await run(`ask --file ${text.path} --save ${saved} --threads 1`, [QUESTION]);
  equal(first.code, 0, first.note);
  match(first.out, /^48213\.\n/);
  match(first.out, /block \d+, read \d+ times: “.*”/);
  const again = await run(`ask --memory ${saved} --threads 1 --json`, [QUESTION]);
  equal(JSON.parse(again.out).answer, " 48213.");
  equal(again.note, "");
  const inspected = await run(`inspect ${saved} --json --threads 1`);
  equal(JSON.parse(inspected.out).tokens, Deno.statSync(text.path).size);
});

Deno.test("ask draws no strip where no block needed choosing", async () => {
  using text = await textFile(500);
  const few = await run(`ask --file ${text.path} --threads 1`, [QUESTION]);
  equal(few.out, "48213.\n\nRead for the answer: only the last blocks, which need no choosing.\n");
  await Deno.writeTextFile(text.path, "The pass key is 48213. Remember it.");
  const short = await run(`ask --file ${text.path} --threads 1`, [QUESTION]);
  match(short.out, /^.+\n\nThe text is shorter than a block, which is 64 tokens\.\n$/);
});

Deno.test("ask stops when it is told to, and leaves no file", async () => {
  using text = await textFile(20_000);
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), 300);
  const saved = `${text.folder}/book.cairn`;
  const { code, note, out } = await run(
    `ask --file ${text.path} --save ${saved} --threads 1`,
    [QUESTION],
    { signal: controller.signal },
  );
  clearTimeout(timer);
  equal(code, 130);
  equal(out, "");
  match(note, /cairn: Interrupted\n$/);
  deepEqual([...Deno.readDirSync(text.folder)].map(({ name }) => name), ["book.txt"]);
});
