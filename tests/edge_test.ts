import { equal, match, notEqual, ok } from "node:assert/strict";
import { readBytes } from "../src/io/files.ts";
import { createHandler, type EdgeCapacity, type EdgeHandler } from "../src/edge.ts";
import { smallConfig } from "./attention/models.ts";
import { smallFolder } from "./session/small_cairn.ts";
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

/** A handler's worker; it also collects its garbage when it is asked to delete. */
function workerModules(edge: Uint8Array): WorkerModule[] {
  const entry = `
    import { createHandler } from "./edge.js";
    import kernels from "./relaxed.wasm";
    import config from "./config.json";
    import weights from "./model.safetensors";
    const model = { "config.json": config, "model.safetensors": weights };
    const handler = createHandler({ kernels, model, memoryLayers: [3, 4, 5], maxTokens: 7 });
    export default {
      fetch(request) {
        if (request.method !== "DELETE") return handler.fetch(request);
        gc();
        return new Response();
      },
    };`;
  return [
    { name: "worker.js", kind: "esModule", contents: entry },
    { name: "edge.js", kind: "esModule", contents: edge },
    { name: "relaxed.wasm", kind: "wasm", contents: bytesOf("build/relaxed.wasm") },
    { name: "config.json", kind: "data", contents: bytesOf("models/tiny/config.json") },
    { name: "model.safetensors", kind: "data", contents: bytesOf("models/tiny/model.safetensors") },
  ];
}

/** Asks a worker, or a handler, about a text. */
function ask(
  fetcher: (request: Request) => Promise<Response>,
  text: string | null,
  options = "",
): Promise<Response> {
  const url = `http://localhost/?question=${QUESTION}${options}`;
  return fetcher(new Request(url, { method: "POST", body: text }));
}

Deno.test("workerd reads a text and answers, within 128 MB, and refuses what does not fit", async () => {
  await using worker = await startWorker(workerModules(await bundled()));
  const fetcher = (request: Request): Promise<Response> =>
    fetch(new URL(new URL(request.url).search, worker.url), request);
  // How much garbage lies about depends on the machine: what is held does not.
  const collect = async (): Promise<void> =>
    void await (await fetch(worker.url, { method: "DELETE" })).text();
  await collect();
  const idle = worker.residentBytes();
  const capacity: EdgeCapacity = await (await fetch(worker.url)).json();
  ok(capacity.tokens > 18_000, JSON.stringify(capacity));

  const short = await ask(fetcher, textOf(6000));
  equal(short.status, 200);
  equal(short.headers.get("cairn-tokens"), "6059");
  equal(await short.text(), " 48213.");

  const long = await ask(fetcher, textOf(capacity.tokens + 1000));
  equal(long.status, 413);
  const refusal = await long.json();
  equal(refusal.tokens, capacity.tokens);
  match(refusal.error, /^The text must have at most \d+ tokens: it has \d+ tokens\. Send less/);

  const full = await ask(fetcher, textOf(capacity.tokens - 100));
  equal(full.status, 200);
  equal(full.headers.get("cairn-forgotten-blocks"), "0");
  await full.text();
  await collect();
  // The isolate holds the model's file from the beginning on.
  const held = worker.residentBytes() - idle + bytesOf("models/tiny/model.safetensors").length;
  ok(!(held > 128e6), `the worker holds ${held} bytes`);
});

/** A handler in this process, with room for about this many tokens. */
function handlerFor(tokens: number): EdgeHandler {
  const model = {
    "config.json": bytesOf("models/tiny/config.json"),
    "model.safetensors": bytesOf("models/tiny/model.safetensors"),
  };
  const kernels = new WebAssembly.Module(bytesOf("build/simd.wasm"));
  return createHandler({
    kernels,
    model,
    memoryLayers: [3, 4],
    maxTokens: 7,
    budgetBytes: 98e6 + tokens * 1040,
  });
}

Deno.test("createHandler() forgets the oldest blocks when it is asked to", async () => {
  const { fetch } = handlerFor(1500);
  const capacity: EdgeCapacity = await (await fetch(new Request("http://localhost/"))).json();
  const text = textOf(3 * capacity.tokens);
  const forgetful = await ask(fetch, text, "&evict=oldest");
  equal(forgetful.status, 200);
  ok(Number(forgetful.headers.get("cairn-forgotten-blocks")) > capacity.tokens / 63);
  notEqual(await forgetful.text(), " 48213.");
});

Deno.test("createHandler() refuses a stream of unknown length where it becomes too long", async () => {
  const { fetch } = handlerFor(1500);
  const response = await ask(fetch, textOf(9000)); // no content-length in this process
  equal(response.status, 413);
  match((await response.json()).error, /more than \d+ tokens/);
});

Deno.test("createHandler() says what is wrong with a request", async () => {
  const { fetch } = handlerFor(1500);
  for (
    const [request, status, message] of [
      [new Request("http://localhost/", { method: "POST", body: "a" }), 400, /\?question=/],
      [new Request("http://localhost/?question=a", { method: "POST" }), 400, /body .* empty/],
      [new Request("http://localhost/", { method: "DELETE" }), 405, /GET or POST/],
      [
        new Request("http://localhost/?question=a", { method: "POST", body: Uint8Array.of(255) }),
        400,
        /UTF-8/,
      ],
    ] as const
  ) {
    const response = await fetch(request);
    equal(response.status, status);
    match((await response.json()).error, message);
  }
});

Deno.test("createHandler() frees a text when nobody listens to the answer", async () => {
  const { fetch } = handlerFor(1500);
  const response = await ask(fetch, textOf(2000));
  await response.body!.cancel();
  // The next request gets the turn, and the room.
  equal(await (await ask(fetch, textOf(2000))).text(), " 48213.");
});

Deno.test("createHandler() counts memories of a fixed size", async () => {
  const [kvHeads, headDim, segment] = [2, 64, 8];
  const landmark = { block_size: 4, token_id: 256, top_blocks: 2, chunk: 8 };
  const heads = { head_dim: headDim, num_key_value_heads: kvHeads };
  /** The smallest budget, with the model's file and its weights. */
  const leastOf = async (change: Record<string, unknown>): Promise<number> => {
    const files = await smallFolder(smallConfig({ ...heads, landmark, ...change }));
    const read = (name: string) => readBytes(files, `model/${name}`);
    const model = {
      "config.json": await read("config.json"),
      "model.safetensors": await read("model.safetensors"),
    };
    const kernels = new WebAssembly.Module(bytesOf("build/simd.wasm"));
    const { fetch } = createHandler({ kernels, model, memoryLayers: [1], budgetBytes: 1 });
    const { error } = await (await fetch(new Request("http://localhost/"))).json();
    return Number(/must be at least (\d+)/.exec(error)![1]);
  };
  // A layer's memory is [G, D, D + 1] and as much that f32 leaves out of its sums; the tokens of a
  // segment are keys without and with position, and values. An answer is made on a copy of all.
  const layer = 2 * 4 * kvHeads * (2 * headDim * (headDim + 1) + 3 * segment * headDim);
  const plain = await leastOf({});
  const beside = await leastOf({ landmark: { ...landmark, memory: { segment } } }) - plain;
  // Gates, and rounding of addresses, take the rest.
  ok(beside >= 3 * layer && beside < 3.1 * layer, `${beside} of ${3 * layer}`);

  // Without a layer's blocks there is less, but for the sections of all.
  const mechanisms = ["infini", "landmark", "landmark"];
  const mixed = await leastOf({ infini: { segment }, mechanisms }) - plain;
  const blocks = (2 * 4 + 8) * 2 * kvHeads * headDim * 2 + 2 * 3 * 8 * kvHeads * headDim * 4;
  ok(mixed >= layer - blocks && mixed < 1.1 * layer - blocks, `${mixed} of ${layer - blocks}`);
});

Deno.test("createHandler() refuses a budget without room for text", async () => {
  const response = await handlerFor(-10_000).fetch(new Request("http://localhost/"));
  equal(response.status, 500);
  match((await response.json()).error, /budgetBytes must be at least \d+: current value is/);
});
