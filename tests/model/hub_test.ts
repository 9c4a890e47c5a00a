import { deepEqual, equal, rejects } from "node:assert/strict";
import { denoFiles } from "../../src/io/deno_files.ts";
import { type Files, readBytes } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { loadCheckpoint } from "../../src/model/checkpoint/checkpoint.ts";
import { DownloadError, type DownloadProgress } from "../../src/model/download.ts";
import { findModel, HubError } from "../../src/model/hub.ts";
import { sha256 } from "../../src/sha256.ts";

const ORIGIN = "https://hub.test";
const text = (value: string) => new TextEncoder().encode(value);

async function gitSum(bytes: Uint8Array): Promise<string> {
  const whole = Uint8Array.from([...text(`blob ${bytes.length}\0`), ...bytes]);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", whole));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function hexOf(bytes: Uint8Array): string {
  const sum = sha256();
  sum.update(bytes);
  return sum.hex();
}

const CONFIG = await Deno.readFile("tests/golden_tiny/model/config.json");
const WEIGHTS = await Deno.readFile("tests/golden_tiny/model/model.safetensors");
const WEIGHTS_SUM = hexOf(WEIGHTS);

interface Server {
  fetch: typeof fetch;
  asked: string[];
  /** The listing, to be changed by tests. */
  listing: Record<string, unknown>[];
  files: Record<string, Uint8Array<ArrayBuffer>>;
}

/** A hub that has one model, `owner/stone`: the tiny one, with files nobody needs. */
async function server(): Promise<Server> {
  const files: Server["files"] = {
    "README.md": text("# Stone"),
    "config.json": CONFIG.slice(),
    "model.safetensors": WEIGHTS.slice(),
    "../escape.safetensors": text("no"),
    "tokenizer_config.json": text("{}"),
  };
  const listing: Server["listing"] = [{ type: "directory", path: "logits", size: 0, oid: "" }];
  for (const [path, bytes] of Object.entries(files)) {
    const large = path === "model.safetensors";
    const lfs = large ? { lfs: { oid: WEIGHTS_SUM, size: bytes.length } } : {};
    listing.push({
      type: "file",
      path,
      size: bytes.length,
      oid: large ? "0" : await gitSum(bytes),
      ...lfs,
    });
  }
  const asked: string[] = [];
  const root = `${ORIGIN}/owner/stone/resolve/v1/`;
  return {
    files,
    listing,
    asked,
    fetch(input, init) {
      const url = String(input);
      asked.push(url);
      init?.signal?.throwIfAborted();
      if (url === `${ORIGIN}/api/models/owner/stone/tree/v1`) {
        return Promise.resolve(Response.json(listing));
      }
      const bytes = url.startsWith(root) ? files[url.slice(root.length)] : undefined;
      return Promise.resolve(new Response(bytes ?? null, { status: bytes ? 200 : 404 }));
    },
  };
}

const find = (files: Files, { fetch }: Server, more = {}) =>
  findModel(files, "owner/stone", {
    cache: "cache",
    origin: ORIGIN + "/",
    revision: "v1",
    fetch,
    ...more,
  });

Deno.test("findModel() takes a path, then a name in the folders, then the cache", async () => {
  const files = memoryFiles({
    "here/config.json": text("{}"),
    "models/tiny/config.json": text("{}"),
    "cache/owner/stone/config.json": text("{}"),
  });
  equal(await findModel(files, "here"), "here");
  equal(await findModel(files, "tiny"), "models/tiny");
  equal(await findModel(files, "tiny", { folders: ["a", "models"] }), "models/tiny");
  equal(await findModel(files, "owner/stone", { cache: "cache" }), "cache/owner/stone");
  equal(await findModel(denoFiles(), "tiny"), "models/tiny");
});

Deno.test("findModel() says what was tried", async () => {
  const files = memoryFiles({ "models/empty/notes.txt": text("x") });
  await rejects(() => findModel(files, "empty"), {
    name: "HubError",
    model: "empty",
    message: 'Cannot find the model "empty" as none of these folders has a config.json: ' +
      '"empty", "models/empty"; and it is no OWNER/NAME to download',
  });
  await rejects(() => findModel(files, "a/b", { cache: "c" }), /"c\/a\/b"; and it was not to be/);
  await rejects(() => findModel(files, "../b", { cache: "c", origin: ORIGIN }), HubError);
});

Deno.test("findModel() downloads a model once, whole and checked", async () => {
  const hub = await server();
  const files = memoryFiles();
  const progress: DownloadProgress[] = [];
  const onProgress = (step: DownloadProgress) => progress.push(step);
  equal(await find(files, hub, { onProgress }), "cache/owner/stone");
  deepEqual(await files.list("cache/owner/stone"), [
    "config.json",
    "model.safetensors",
    "tokenizer_config.json",
  ]);
  deepEqual(await files.list("cache/owner"), ["stone"]);
  equal(hub.asked.at(-1), `${ORIGIN}/owner/stone/resolve/v1/config.json`);
  equal((await loadCheckpoint(files, "cache/owner/stone")).config.layers, 6);
  const last = progress.findLast(({ file }) => file === "model.safetensors")!;
  deepEqual([last.doneBytes, last.totalBytes], [8_993_104, 8_993_104]);
  const count = hub.asked.length;
  equal(await find(files, hub), "cache/owner/stone");
  equal(hub.asked.length, count);
});

Deno.test("findModel() keeps nothing of a file that is not what the server said", async () => {
  const cases: [(hub: Server) => void, RegExp][] = [
    [({ files }) => files["model.safetensors"][9_000] ^= 1, /its sha256 sum must be \w+: it is/],
    [({ files }) => files["config.json"][0] ^= 1, /its git sum must be \w+: it is/],
    [({ files }) => {
      files["model.safetensors"] = files["model.safetensors"].slice(0, -1);
    }, /must be 8993104 bytes long: 8993103 came/],
    [({ files }) => {
      files["config.json"] = text("x".repeat(10_000));
    }, new RegExp(`must be ${CONFIG.length} bytes long: it is longer`)],
    [({ files }) => void delete files["model.safetensors"], /must answer 200: it answered 404/],
    [({ listing }) => void listing.splice(1), /must have a file like .*config/],
    [({ listing }) => void delete listing[2].size, /must have "path", "size" and "oid"/],
  ];
  for (const [change, message] of cases) {
    const hub = await server();
    change(hub);
    const files = memoryFiles();
    await rejects(() => find(files, hub), (error) => {
      equal(error instanceof DownloadError, true, String(error));
      equal(message.test((error as Error).message), true, (error as Error).message);
      return true;
    });
    equal(await files.stat("cache/owner/stone/config.json"), undefined);
    const left = await files.stat("cache") ? await files.list("cache/owner/stone") : [];
    equal(left.some((name) => name.endsWith(".part")), false, String(left));
  }
});

Deno.test("findModel() tells a server that does not answer, and an abort", async () => {
  const failing = () => Promise.reject(new TypeError("no route"));
  const hub = await server();
  await rejects(
    () => find(memoryFiles(), { ...hub, fetch: failing }),
    /Cannot download https:\/\/hub.test.* as the server must be reachable: no route/,
  );
  const notJson = () => Promise.resolve(new Response("<html>"));
  await rejects(() => find(memoryFiles(), { ...hub, fetch: notJson }), /its answer must be JSON/);
  const controller = new AbortController();
  const files = memoryFiles();
  const onProgress = () => controller.abort(new Error("enough"));
  await rejects(() => find(files, hub, { signal: controller.signal, onProgress }), /enough/);
  equal(await files.stat("cache/owner/stone/config.json"), undefined);
});

Deno.test("findModel() does not lose an older file to a failed download", async () => {
  const hub = await server();
  const files = memoryFiles({ "cache/owner/stone/model.safetensors": text("old") });
  hub.files["model.safetensors"][0] ^= 1;
  await rejects(() => find(files, hub), DownloadError);
  deepEqual(await readBytes(files, "cache/owner/stone/model.safetensors"), text("old"));
});
