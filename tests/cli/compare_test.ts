import { deepEqual, equal, match, ok } from "node:assert/strict";
import { run, textFile } from "./command_line.ts";

Deno.test("compare trains mechanisms, and sets them side by side", async () => {
  using text = await textFile(30_000);
  const model = {
    ...{ model_type: "llama", hidden_size: 16, intermediate_size: 16, num_hidden_layers: 1 },
    ...{ num_attention_heads: 2, num_key_value_heads: 1, head_dim: 8, vocab_size: 260 },
    ...{ max_position_embeddings: 64, tie_word_embeddings: true, tokenizer: "bytes" },
  };
  const comparison = {
    recipe: {
      ...{ model, data: { text: [text.path], heldOut: 0.2 }, length: 64, batch: 2, steps: 2 },
      ...{ optimizer: { warmUp: 1 }, evaluation: { textRows: 2 } },
    },
    models: {
      "with landmarks": { landmark: { block_size: 16, token_id: 256, top_blocks: 1, chunk: 32 } },
      "Infini": { infini: { segment: 32 } },
      "beside": {
        landmark: {
          ...{ block_size: 16, token_id: 256, top_blocks: 1, chunk: 32 },
          memory: { segment: 16 },
        },
      },
      "XL": { xl: { window: 32 } },
      "window": { window: { size: 32 } },
    },
    measure: { tokens: 300, lengths: [2000], prompts: 1 },
  };
  const path = `${text.folder}/comparison.json`;
  await Deno.writeTextFile(path, JSON.stringify(comparison));
  const line = `compare ${path} --out ${text.folder}/out --threads 1`;
  const { code, out, note } = await run(line);
  equal(code, 0, note);
  for (const name of Object.keys(comparison.models)) match(out, new RegExp(`^${name} `, "m"));
  const { results } = JSON.parse(await Deno.readTextFile(`${text.folder}/out/results.json`));
  deepEqual(results.map(({ name }: { name: string }) => name), Object.keys(comparison.models));
  for (const { text, passkeys, tokensPerSecond } of results) {
    ok(text.all.perplexity > 1 && text.all.perplexity < 1000, `${text.all.perplexity}`);
    equal(passkeys[0].all.asked, 1);
    ok(tokensPerSecond > 0);
  }
  for (const plot of ["text.svg", "passkeys.svg"]) {
    match(await Deno.readTextFile(`${text.folder}/out/${plot}`), /with landmarks/);
  }
  // What is trained and measured is not trained and measured again, but for other measures.
  const again = await run(`${line} --json`);
  deepEqual(JSON.parse(again.out).results, results);
  ok(!/step/.test(again.note), again.note);
  const measure = { ...comparison.measure, tokens: 280 };
  await Deno.writeTextFile(path, JSON.stringify({ ...comparison, measure }));
  await Deno.writeTextFile(`${text.folder}/out/xl/result.json`, "cut {");
  const other = await run(`${line} --json`);
  ok(!/step/.test(other.note), other.note);
  for (const { text } of JSON.parse(other.out).results) equal(text.all.to, 280);
  // Infini's gates are to be seen.
  const inspected = await run(`inspect ${text.folder}/out/infini/model`);
  match(inspected.out, /gates {10}0 \|.{10}\| 1, 2 heads, 0 below 0\.1 and 0 from 0\.9 on/);
  const beside = (await run(`inspect ${text.folder}/out/beside/model`)).out;
  match(beside, /memory {9}beside the blocks, written by the delta rule every 16 tokens/);
  match(beside, /gates {10}0 \|/);
});
