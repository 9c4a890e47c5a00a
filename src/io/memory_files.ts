import { FileError } from "./file_error.ts";
import type { Files, OpenOptions, RandomAccessFile } from "./files.ts";
import { attempt, randomAccessFile, type RawFile, writeBeside } from "./random_access.ts";

/** Options of {@linkcode memoryFiles}. */
export interface MemoryFilesOptions {
  /** What all files together may hold; beyond it the disk is "full". @default {Infinity} */
  capacityBytes?: number;
}

/** A file's bytes; the buffer is longer than the file, so that it seldom grows. */
interface Content {
  bytes: Uint8Array;
  length: number;
}

/** The state of one {@linkcode memoryFiles}. */
interface Store {
  readonly files: Map<string, Content>;
  readonly folders: Set<string>;
  readonly capacityBytes: number;
}

/**
 * Files that live in memory: for browsers and edge runtimes without a disk, models that travel
 * inside a bundle, and tests.
 *
 * @example Usage
 * ```ts
 * import { memoryFiles } from "./memory_files.ts";
 * import { readText } from "./files.ts";
 * import { equal } from "node:assert/strict";
 *
 * const files = memoryFiles({ "notes/a.txt": new TextEncoder().encode("stone") });
 * equal(await readText(files, "notes/a.txt"), "stone");
 * ```
 *
 * @param initial Files by path; the bytes are taken as they are, not copied.
 */
export function memoryFiles(
  initial: Readonly<Record<string, Uint8Array>> = {},
  options: MemoryFilesOptions = {},
): Files {
  const { capacityBytes = Infinity } = options;
  const store: Store = { files: new Map(), folders: new Set([""]), capacityBytes };
  for (const [path, bytes] of Object.entries(initial)) {
    addFolders(store, parentOf(plain(path)));
    store.files.set(plain(path), { bytes, length: bytes.length });
  }
  const open = (path: string, name: string, options: OpenOptions): RandomAccessFile =>
    openNow(store, plain(path), name, options);
  return {
    stat: (path) =>
      attempt("look at", path, () => {
        const content = store.files.get(plain(path));
        if (content) return { kind: "file", sizeBytes: content.length };
        return store.folders.has(plain(path)) ? { kind: "folder", sizeBytes: 0 } : undefined;
      }),
    list: (path) => attempt("list", path, () => listNow(store, plain(path), path)),
    makeFolder: (path) => attempt("make the folder", path, () => addFolders(store, plain(path))),
    open: (path, options = {}) => attempt("open", path, () => open(path, path, options)),
    replace: (path, write) =>
      writeBeside(
        {
          open,
          rename: (from, to) => renameNow(store, plain(from), plain(to), to),
          remove: (path) => store.files.delete(plain(path)),
        },
        path,
        write,
      ),
    remove: (path) => attempt("remove", path, () => removeNow(store, plain(path))),
  };
}

/** The one spelling of a path: no leading, double or trailing `/`, no `.` parts. */
function plain(path: string): string {
  return path.split("/").filter((part) => part !== "" && part !== ".").join("/");
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function addFolders(store: Store, path: string): void {
  for (let folder = path; folder !== ""; folder = parentOf(folder)) {
    if (store.files.has(folder)) throw notAFolder("make the folder", path);
    store.folders.add(folder);
  }
}

function listNow(store: Store, folder: string, name: string): string[] {
  if (store.files.has(folder)) throw notAFolder("list", name);
  if (!store.folders.has(folder)) throw missing("list", name);
  const names = [...store.files.keys(), ...store.folders]
    .filter((path) => path !== "" && parentOf(path) === folder)
    .map((path) => path.slice(path.lastIndexOf("/") + 1));
  return names.sort();
}

function removeNow(store: Store, path: string): void {
  for (const kind of [store.files, store.folders]) {
    for (const each of kind.keys()) {
      if (each !== "" && (each === path || each.startsWith(`${path}/`))) kind.delete(each);
    }
  }
}

function renameNow(store: Store, from: string, to: string, name: string): void {
  if (store.folders.has(to)) throw notAFile("replace", name);
  store.files.set(to, store.files.get(from)!);
  store.files.delete(from);
}

function openNow(store: Store, path: string, name: string, options: OpenOptions): RandomAccessFile {
  if (store.folders.has(path)) throw notAFile("open", name);
  let content = store.files.get(path);
  if (!content) {
    if (!options.write || !options.create) throw missing("open", name);
    if (store.files.has(parentOf(path))) throw notAFolder("open", name);
    if (!store.folders.has(parentOf(path))) throw missing("open", name);
    content = { bytes: new Uint8Array(0), length: 0 };
    store.files.set(path, content);
  }
  return randomAccessFile(name, rawFile(store, content, name), options);
}

function rawFile(store: Store, content: Content, name: string): RawFile {
  return {
    size: () => content.length,
    read(into, at) {
      const part = content.bytes.subarray(at, Math.min(at + into.length, content.length));
      into.set(part);
      return part.length;
    },
    write(from, at) {
      resize(store, content, Math.max(content.length, at + from.length), name);
      content.bytes.set(from, at);
      return from.length;
    },
    truncate: (sizeBytes) => resize(store, content, sizeBytes, name),
    sync() {},
    close() {},
  };
}

function resize(store: Store, content: Content, length: number, name: string): void {
  let used = length - content.length;
  for (const each of store.files.values()) used += each.length;
  if (used > store.capacityBytes && length > content.length) {
    const problem =
      `the files in memory may hold ${store.capacityBytes} bytes: it would be ${used}`;
    throw new FileError("full", name, `Cannot write "${name}" as ${problem}`);
  }
  if (length > content.bytes.length) {
    const larger = new Uint8Array(Math.max(length, 2 * content.bytes.length));
    larger.set(content.bytes.subarray(0, content.length));
    content.bytes = larger;
  }
  // What was cut off must not come back when the file grows again.
  if (length < content.length) content.bytes.fill(0, length, content.length);
  content.length = length;
}

function missing(action: string, path: string): FileError {
  const problem = "nothing is there: check the path, or make its folder first";
  return new FileError("missing", path, `Cannot ${action} "${path}" as ${problem}`);
}

function notAFile(action: string, path: string): FileError {
  return new FileError(
    "not a file",
    path,
    `Cannot ${action} "${path}" as a folder is there: name a file`,
  );
}

function notAFolder(action: string, path: string): FileError {
  const problem = "a file stands where a folder must be: check the path";
  return new FileError("not a folder", path, `Cannot ${action} "${path}" as ${problem}`);
}
