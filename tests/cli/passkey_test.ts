import { deepEqual, equal, ok } from "node:assert/strict";
import { run } from "./command_line.ts";

Deno.test("passkey fills its table", async () => {
  const { code, out } = await run("passkey --lengths 2048 --prompts 2 --threads 1 --json");
  equal(code, 0);
  const { rows } = JSON.parse(out);
  deepEqual(rows.map(({ task }: { task: string }) => task), ["text", "distractors", "paper"]);
  for (const { all, byDepth, wrong } of rows) {
    equal(all.asked, 2);
    equal(wrong.length, all.asked - all.right);
    equal(byDepth.reduce((sum: number, { asked }: { asked: number }) => sum + asked, 0), 2);
  }
  ok(rows[0].all.right + rows[2].all.right >= 3, out);
});
