// One body for every implementation of the file interface.
import { deepEqual, equal, rejects } from "node:assert/strict";
import { denoFiles } from "../../src/io/deno_files.ts";
import { FileError, type FileProblem } from "../../src/io/file_error.ts";
import {
  type Files,
  isFile,
  isFolder,
  joinPath,
  readBytes,
  readText,
  writeBytes,
  writeText,
} from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { nodeFiles } from "../../src/io/node_files.ts";

interface Place {
  name: string;
  /** Runs a test in an empty folder, and removes it. */
  use(test: (files: Files, folder: string) => Promise<void>): Promise<void>;
}

async function onDisk(files: Files, test: (files: Files, folder: string) => Promise<void>) {
  const folder = await Deno.makeTempDir();
  try {
    await test(files, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const PLACES: Place[] = [
  { name: "denoFiles()", use: (test) => onDisk(denoFiles(), test) },
  { name: "nodeFiles()", use: (test) => onDisk(nodeFiles(), test) },
  {
    name: "memoryFiles()",
    async use(test) {
      const files = memoryFiles();
      await files.makeFolder("folder");
      await test(files, "folder");
    },
  },
];

function problem(problem: FileProblem, path: string) {
  return (error: unknown) => {
    equal(error instanceof FileError, true, String(error));
    const { problem: actual, path: where, message } = error as FileError;
    equal(actual, problem, message);
    equal(where, path);
    equal(message.includes(path), true, message);
    return true;
  };
}

const bytes = (...values: number[]) => Uint8Array.from(values);

for (const { name, use } of PLACES) {
  const test = (what: string, body: (files: Files, folder: string) => Promise<void>) =>
    Deno.test(`${name} ${what}`, () => use(body));

  test("writes, reads, lists and removes", async (files, folder) => {
    const path = joinPath(folder, "b.txt");
    equal(await files.stat(path), undefined);
    await writeText(files, path, "cairn ⛰");
    await writeText(files, joinPath(folder, "a.txt"), "");
    equal(await readText(files, path), "cairn ⛰");
    equal(await readText(files, joinPath(folder, "a.txt")), "");
    deepEqual(await files.stat(path), { kind: "file", sizeBytes: 9 });
    deepEqual(await files.list(folder), ["a.txt", "b.txt"]);
    await files.remove(path);
    await files.remove(path); // nothing there is fine
    deepEqual(await files.list(folder), ["a.txt"]);
  });

  test("makes folders and removes them whole", async (files, folder) => {
    const deep = joinPath(folder, "x/y/z");
    await files.makeFolder(deep);
    await files.makeFolder(deep);
    await writeText(files, joinPath(deep, "f"), "1");
    deepEqual(await files.stat(deep), { kind: "folder", sizeBytes: 0 });
    equal(await isFolder(files, deep), true);
    equal(await isFile(files, deep), false);
    await files.remove(joinPath(folder, "x"));
    equal(await files.stat(deep), undefined);
    deepEqual(await files.list(folder), []);
  });

  for (const readers of [1, 3]) {
    test(`reads and writes at any offset with ${readers} readers`, async (files, folder) => {
      const path = joinPath(folder, "f");
      using file = await files.open(path, { write: true, create: true, readers });
      await file.write(bytes(1, 2, 3), 2); // the gap is zeros
      await file.write(bytes(9), 3);
      equal(await file.size(), 5);
      const parts = await Promise.all([0, 1, 2, 3, 4].map(async (at) => {
        const part = new Uint8Array(1);
        await file.read(part, at);
        return part[0];
      }));
      deepEqual(parts, [0, 0, 1, 9, 3]);
      await file.truncate(3);
      await file.truncate(6); // what was cut stays away
      await file.sync();
      const all = new Uint8Array(6);
      await file.read(all, 0);
      deepEqual(all, bytes(0, 0, 1, 0, 0, 0));
      await rejects(() => file.read(new Uint8Array(3), 4), problem("short", path));
      await file.read(new Uint8Array(0), 6);
    });
  }

  test("refuses offsets that are none", async (files, folder) => {
    using file = await files.open(joinPath(folder, "f"), { write: true, create: true });
    for (const at of [-1, 0.5, NaN]) {
      await rejects(() => file.read(bytes(0), at), RangeError);
      await rejects(() => file.write(bytes(0), at), RangeError);
    }
  });

  test("says what is wrong with a path", async (files, folder) => {
    const missing = joinPath(folder, "missing");
    const file = joinPath(folder, "file");
    await writeText(files, file, "x");
    await rejects(() => files.open(missing), problem("missing", missing));
    await rejects(() => files.open(missing, { write: true }), problem("missing", missing));
    await rejects(() => files.list(missing), problem("missing", missing));
    await rejects(() => files.open(folder), problem("not a file", folder));
    await rejects(() => files.list(file), problem("not a folder", file));
    const below = joinPath(missing, "f");
    await rejects(() => writeText(files, below, "x"), problem("missing", below));
    equal(await files.stat(joinPath(file, "below")), undefined);
  });

  test(
    "refuses to write what was opened for reading, and anything closed",
    async (files, folder) => {
      const path = joinPath(folder, "f");
      await writeText(files, path, "x");
      const file = await files.open(path);
      await rejects(() => file.write(bytes(1), 0), problem("denied", path));
      file[Symbol.dispose]();
      file[Symbol.dispose]();
      await rejects(() => file.read(bytes(0), 0), problem("closed", path));
    },
  );

  test("replace() leaves the old file whole when the writer throws", async (files, folder) => {
    const path = joinPath(folder, "f");
    await writeText(files, path, "old");
    const failing = files.replace(path, async (file) => {
      await file.write(bytes(1, 2, 3, 4), 0);
      throw new RangeError("no more");
    });
    await rejects(() => failing, { name: "RangeError", message: "no more" });
    equal(await readText(files, path), "old");
    deepEqual(await files.list(folder), ["f"]);
    await writeText(files, path, "n");
    equal(await readText(files, path), "n");
    deepEqual(await files.list(folder), ["f"]);
  });

  test("replace() does not put a file in a folder's place", async (files, folder) => {
    const path = joinPath(folder, "sub");
    await files.makeFolder(path);
    await rejects(() => writeText(files, path, "x"), FileError);
    deepEqual(await files.list(folder), ["sub"]);
  });

  test("reads no more than the limit, and no text that is not UTF-8", async (files, folder) => {
    const path = joinPath(folder, "f");
    await writeBytes(files, path, bytes(65, 0xff, 66));
    await rejects(() => readBytes(files, path, { limitBytes: 2 }), problem("other", path));
    deepEqual(await readBytes(files, path, { limitBytes: 3 }), bytes(65, 0xff, 66));
    await rejects(() => readText(files, path), problem("other", path));
  });
}

Deno.test("memoryFiles() is full beyond its capacity, and keeps the old file", async () => {
  const files = memoryFiles({ "a/f": bytes(1, 2, 3) }, { capacityBytes: 6 });
  await rejects(() => writeBytes(files, "a/f", new Uint8Array(4)), problem("full", "a/f"));
  deepEqual(await readBytes(files, "./a//f"), bytes(1, 2, 3));
  deepEqual(await files.list("a"), ["f"]);
  await writeBytes(files, "a/f", new Uint8Array(3));
});

for (const files of [denoFiles(), nodeFiles()]) {
  Deno.test({
    name: "open() tells a full disk",
    ignore: Deno.build.os !== "linux",
    async fn() {
      using file = await files.open("/dev/full", { write: true });
      await rejects(() => file.write(bytes(1), 0), problem("full", "/dev/full"));
    },
  });
  Deno.test({
    name: "open() refuses to read from what is no file",
    ignore: Deno.build.os !== "linux",
    fn: () => rejects(() => files.open("/dev/null"), problem("not a file", "/dev/null")),
  });
}
