import { equal, match } from "node:assert/strict";
import { run } from "./command_line.ts";

Deno.test("inspect says what a model is", async () => {
  const { out } = await run("inspect --json");
  const model = JSON.parse(out);
  equal(model.parameters, 4_493_568);
  equal(model.config.landmark.blockSize, 64);
  match((await run("inspect models/tiny")).out, /parameters {5}4,493,568, 9\.0 MB on disk/);
});
