import { equal, match } from "node:assert/strict";
import { run } from "./command_line.ts";

Deno.test("generate goes on from its prompt, the same with the same seed", async () => {
  const line = "generate --max-tokens 12 --temperature 1 --seed 5 --threads 1";
  const { code, out } = await run(line, ["The light"]);
  equal(code, 0);
  match(out, /^The light/);
  equal((await run(line, ["The light"])).out, out);
  const { text, ids } = JSON.parse((await run(`${line} --json`, ["The light"])).out);
  equal(`The light${text}\n`, out);
  equal(ids.length, 12);
});
