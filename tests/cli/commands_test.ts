import { deepEqual, equal, match, ok } from "node:assert/strict";
import { main } from "../../src/cli/main.ts";
import { repositoryResources } from "../../src/cli/resources.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { denoFiles } from "../../src/io/deno_files.ts";
import { type FakeTerminal, fakeTerminal } from "./fake_terminal.ts";

const COMMANDS = "demo ask generate inspect passkey eval train compare devices".split(" ");

/** Runs a command line as a shell would cut it; words with spaces are given apart. */
async function run(
  line: string,
  words: readonly string[] = [],
  options: Partial<Terminal> = {},
): Promise<{ code: number } & FakeTerminal["written"]> {
  const terminal = fakeTerminal(options);
  const args = [...line.split(" ").filter(Boolean), ...words];
  const context = { terminal, files: denoFiles(), resources: repositoryResources() };
  return { code: await main(args, context), ...terminal.written };
}

/** The book's beginning with a key in it, in a file that goes at the end. */
async function textFile(letters: number): Promise<{ path: string; folder: string } & Disposable> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/book.txt`;
  const book = await repositoryResources().book();
  await Deno.writeTextFile(
    path,
    `${book.slice(0, 500)}\nThe pass key is 48213. Remember it. 48213 is the pass key.\n${
      book.slice(500, letters)
    }`,
  );
  const remove = (): void => Deno.removeSync(folder, { recursive: true });
  return { path, folder, [Symbol.dispose]: remove };
}

/** Sets a variable of the environment for a while. */
function variable(name: string, value: string): Disposable {
  const before = Deno.env.get(name);
  Deno.env.set(name, value);
  return {
    [Symbol.dispose]: () =>
      before === undefined ? Deno.env.delete(name) : Deno.env.set(name, before),
  };
}

const QUESTION = "What is the pass key? The pass key is";

Deno.test("main() explains itself", async () => {
  const { code, out } = await run("--help");
  equal(code, 0);
  for (const name of COMMANDS) match(out, new RegExp(`^ {2}${name} `, "m"));
  equal((await run("")).code, 2);
  for (const name of COMMANDS) {
    const help = await run(`${name} --help`);
    equal(help.code, 0);
    match(help.out, /Usage: cairn \w+/);
    match(help.out, /Examples:\n {2}# .*\n {2}cairn \w+/);
    for (const line of help.out.split("\n")) ok(line.length <= 96, line);
  }
});

Deno.test("main() says what would be right", async () => {
  using text = await textFile(600);
  using _dawn = variable("DAWN_NODE", "missing.node");
  for (
    const [line, words, code, message] of [
      ["aks", [], 2, /^cairn: Cannot understand "aks": did you mean ask\?\n$/],
      ["ask", ["Who?"], 2, /there must be one of --file and --memory/],
      ["ask --file a.txt", [], 2, /there must be one question: it is missing/],
      ["ask --file a.txt who is it", [], 2, /current value is 3 words \(put quotes around it\)/],
      ["ask --file missing.txt", [QUESTION], 1, /"missing.txt" as nothing is there/],
      ["ask --topblocks 3", [QUESTION], 2, /did you mean --top-blocks\?/],
      [`ask --memory ${text.path}`, [QUESTION], 1, /Cannot restore ".*book.txt"/],
      [`ask --file ${text.path} --top-blocks 99999`, [QUESTION], 1, /topBlocks must be/],
      [`ask --file ${text.path} --budget 1K`, [QUESTION], 1, /budget.host must be at least/],
      ["inspect missing.cairn", [], 1, /"missing.cairn" as nothing is there/],
      ["inspect a b", [], 2, /"b" is too many/],
      ["generate --model missing", ["a"], 1, /"missing\/config.json" as nothing is there/],
      ["generate --device gpu --gpu dawn", ["a"], 1, /Cannot load Dawn from ".*missing.node": /],
      ["generate --gpu vulkan", ["a"], 2, /one of builtin, dawn, dawn-unchecked/],
      ["train missing.json", [], 1, /"missing.json" as nothing is there/],
      ["passkey --lengths 100", [], 2, /at least 2048: current value is "100"/],
      ["eval --tokens 5", [], 2, /at least 256/],
      ["devices here", [], 2, /this command takes options only/],
    ] as const
  ) {
    const result = await run(`${line} --threads 1`, words);
    equal(result.code, code, `${line}: ${result.note}`);
    equal(result.out, "", line);
    equal(result.note.trimEnd().split("\n").length, 1, result.note);
    match(result.note, message);
  }
});

Deno.test("main() says where an error came from when it is asked to", async () => {
  match((await run("inspect missing.cairn --verbose")).note, /\n {4}at .*\.ts:\d+/);
});

Deno.test("devices lists every device", async () => {
  const { out } = await run("devices --json --threads 1");
  const found = JSON.parse(out);
  deepEqual(found.map(({ device }: { device: string }) => device), [
    "auto",
    "cpu",
    "gpu",
    "reference",
  ]);
  const [auto, cpu, gpu] = found;
  const hardware = gpu.available && !gpu.info.details.software;
  equal(auto.info.kind, hardware ? "gpu" : "cpu");
  equal(cpu.info.kind, "cpu");
  if (gpu.available) ok(gpu.info.details.tensorBytes >= 2 ** 27, JSON.stringify(gpu));
  else match(gpu.reason, /^Cannot open a GPU as there must be an adapter/);
  const names = hardware ? "gpu" : "cpu";
  match((await run("devices")).out, new RegExp(`^auto takes ${names}\ncpu: WebAssembly`));
});

Deno.test("auto takes no GPU without a driver, and says nothing about it", async () => {
  // Without a screen Mesa's drivers complain.
  const quiet = { XDG_RUNTIME_DIR: "", DENO_NO_UPDATE_CHECK: "1" };
  const args = "run -A src/cli/main.ts generate --max-tokens 2 --json a".split(" ");
  for (const env of [quiet, { ...quiet, VK_DRIVER_FILES: "/nonexistent" }]) {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: new URL("../../", import.meta.url),
      env,
    }).output();
    equal(new TextDecoder().decode(stderr), "");
    equal(code, 0);
    equal(JSON.parse(new TextDecoder().decode(stdout)).ids.length, 2);
  }
});

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

Deno.test("inspect says what a model is", async () => {
  const { out } = await run("inspect --json");
  const model = JSON.parse(out);
  equal(model.parameters, 4_493_568);
  equal(model.config.landmark.blockSize, 64);
  match((await run("inspect models/tiny")).out, /parameters {5}4,493,568, 9\.0 MB on disk/);
});

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

Deno.test("eval agrees with itself where the views are the same", async () => {
  const { out } = await run("eval --tokens 900 --threads 1 --json");
  const { results } = JSON.parse(out);
  const [chosen, recent, none, dense] = results.map((
    { all }: { all: { bitsPerByte: number } },
  ) => all.bitsPerByte);
  for (const bits of [chosen, recent, none, dense]) ok(bits > 1 && bits < 4.5, `${bits}`);
  ok(none > recent, "what came before must help");
  // Of the first 189 tokens, a section, all views see the same.
  const first = (await run("eval --tokens 256 --threads 1 --json")).out;
  const all = JSON.parse(first).results.map((
    { all }: { all: { perplexity: number } },
  ) => all.perplexity);
  ok(Math.abs(all[0] / all[1] - 1) < 1e-3, `${all}`);
});

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
