import { deepEqual, equal, match, ok } from "node:assert/strict";
import { createHandler, type EdgeCapacity } from "../src/edge.ts";
import { startWorker, type WorkerModule } from "./workerd.ts";

const ROOT = new URL("../", import.meta.url);
const KEY = "The pass key is 48213. Remember it. 48213 is the pass key.";
const QUESTION = encodeURIComponent("\nWhat is the pass key? The pass key is");

function bytesOf(path: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(new URL(path, ROOT));
}

/** The book's beginning, with the key a third of the way in. */
function textOf(letters: number): string {
  const book = new TextDecoder().decode(bytesOf("books/opticks.txt").subarray(0, letters));
  const at = book.indexOf(" ", letters / 3);
  return `${book.slice(0, at)}\n${KEY}\n${book.slice(at + 1)}`;
}

async function bundled(): Promise<Uint8Array> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--platform", "browser", "src/edge.ts"],
    cwd: ROOT,
  }).output();
  equal(code, 0, new TextDecoder().decode(stderr));
  return stdout;
}

function workerModules(edge: Uint8Array): WorkerModule[] {
  const entry = `
    import { createHandler } from "./edge.js";
    import kernels from "./relaxed.wasm";
    import config from "./config.json";
    import weights from "./model.safetensors";
    const model = { "config.json": config, "model.safetensors": weights };
    export default createHandler({ kernels, model, memoryLayers: [3, 4, 5], maxTokens: 7 });`;
  return [
    { name: "worker.js", kind: "esModule", contents: entry },
    { name: "edge.js", kind: "esModule", contents: edge },
    { name: "relaxed.wasm", kind: "wasm", contents: bytesOf("build/relaxed.wasm") },
    { name: "config.json", kind: "data", contents: bytesOf("models/tiny/config.json") },
    { name: "model.safetensors", kind: "data", contents: bytesOf("models/tiny/model.safetensors") },
  ];
}

Deno.test("workerd reads a text and answers, within 128 MB, and refuses what does not fit", async () => {
  await using worker = await startWorker(workerModules(await bundled()));
  const idle = worker.residentBytes();
  const capacity: EdgeCapacity = await (await fetch(worker.url)).json();
  ok(capacity.tokens > 16_000, JSON.stringify(capacity));

  const short = await fetch(`${worker.url}?question=${QUESTION}`, {
    method: "POST",
    body: textOf(6000),
  });
  equal(short.status, 200);
  equal(await short.text(), " 48213.");

  const long = await fetch(`${worker.url}?question=${QUESTION}`, {
    method: "POST",
    body: textOf(capacity.tokens + 1000),
  });
  equal(long.status, 413);
  const refusal = await long.json();
  equal(refusal.tokens, capacity.tokens);
  match(refusal.error, /^The text must have at most \d+ tokens: it has \d+ tokens\. Send less/);

  const full = await fetch(`${worker.url}?question=${QUESTION}`, {
    method: "POST",
    body: textOf(capacity.tokens - 200),
  });
  equal(full.headers.get("cairn-forgotten-blocks"), "0");
  await full.text();
  const grown = worker.residentBytes() - idle;
  ok(!(grown > 128e6), `workerd grew by ${grown} bytes`);
});
