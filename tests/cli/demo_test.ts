import { equal, match, ok } from "node:assert/strict";
import { run } from "./command_line.ts";

Deno.test("demo finds its key and points at it", async () => {
  const { code, out, note } = await run("demo --letters 4000 --seed 3 --threads 1");
  equal(code, 0);
  match(out, /hidden {2}The pass key is 01421\. Remember it\./);
  match(out, /What is the pass key\? The pass key is 01421\. {2}\(right\)/);
  match(out, /layer 4 head 0/);
  match(out, /▲ the pass key/);
  match(note, /^reading {2}4,0\d\d tokens in /m);
  for (const line of out.split("\n")) ok([...line].length <= 80, line);
});

Deno.test("demo gives JSON", async () => {
  const { code, out } = await run("demo --letters 4000 --seed 4 --threads 1 --json");
  const result = JSON.parse(out);
  equal(code, 0);
  equal(result.right, true);
  equal(result.answer, ` ${result.key}.`);
  ok(result.readers.some(({ layer }: { layer: number }) => layer === 3));
});
