import { deepEqual, equal, match } from "node:assert/strict";
import { run, textFile } from "./command_line.ts";

Deno.test("train learns by a recipe, and goes on", async () => {
  using text = await textFile(5000);
  const recipe = {
    model: {
      ...JSON.parse(await Deno.readTextFile("models/tiny/config.json")),
      hidden_size: 32,
      intermediate_size: 32,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 16,
      max_position_embeddings: 128,
      landmark: { block_size: 16, token_id: 256, top_blocks: 2, chunk: 32 },
    },
    data: { text: [text.path] },
    length: 64,
    batch: 2,
    steps: 6,
    optimizer: { warmUp: 1 },
    evaluation: { textRows: 2 },
  };
  const path = `${text.folder}/recipe.json`;
  await Deno.writeTextFile(path, JSON.stringify(recipe));
  const line = `train ${path} --out ${text.folder}/run --threads 1 --json`;
  const { code, out, note } = await run(line);
  equal(code, 0, note);
  const events = out.trimEnd().split("\n").map((line) => JSON.parse(line));
  deepEqual(events.filter(({ kind }) => kind === "step").map(({ step }) => step), [
    1,
    2,
    3,
    4,
    5,
    6,
  ]);
  const inspected = await run(`inspect ${text.folder}/run/model --json`);
  equal(JSON.parse(inspected.out).config.width, 32);
  match((await run(line)).note, /holds a run: go on with it, or name another folder/);

  const leg = line.replace("/run ", "/legs ");
  const first = await run(leg.replace(" --json", " --minutes 0"));
  match(first.out, /legs: go on with --resume\n$/, first.note);
  equal((await run(`${leg} --resume --minutes 60`)).code, 0);
  const lossOf = (run: string): unknown[] =>
    Deno.readTextFileSync(`${text.folder}/${run}/losses.jsonl`).trimEnd().split("\n")
      .map((row) => JSON.parse(row)).map(({ step, loss }) => [step, loss]);
  deepEqual(lossOf("legs"), lossOf("run"));
  const weights = (run: string): Uint8Array =>
    Deno.readFileSync(`${text.folder}/${run}/model/model.safetensors`);
  deepEqual(weights("legs"), weights("run"));
});
