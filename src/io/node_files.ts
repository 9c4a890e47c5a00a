import * as fs from "node:fs";
import { promisify } from "node:util";
import { checkFile } from "./file_error.ts";
import type { FileInfo, Files, OpenOptions, RandomAccessFile } from "./files.ts";
import { attempt, randomAccessFile, writeBeside } from "./random_access.ts";

/** The files of the operating system, through `node:fs`: for Node and what is like it. */
export function nodeFiles(): Files {
  return {
    stat: (path) => attempt("look at", path, () => statNow(path)),
    list: (path) => attempt("list", path, () => fs.readdirSync(path).sort()),
    makeFolder: (path) =>
      attempt("make the folder", path, () => void fs.mkdirSync(path, { recursive: true })),
    open: (path, options = {}) => attempt("open", path, () => openNow(path, path, options)),
    replace: (path, write) =>
      writeBeside({ open: openNow, rename: fs.renameSync, remove: fs.rmSync }, path, write),
    remove: (path) =>
      attempt("remove", path, () => fs.rmSync(path, { recursive: true, force: true })),
  };
}

const readAsync = promisify(fs.read);

function statNow(path: string): FileInfo | undefined {
  try {
    const stat = fs.statSync(path);
    return stat.isDirectory()
      ? { kind: "folder", sizeBytes: 0 }
      : { kind: "file", sizeBytes: stat.size };
  } catch (error) {
    const { code } = error as { code?: string };
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw error;
  }
}

function openNow(path: string, name: string, options: OpenOptions): RandomAccessFile {
  const { write = false, create = false, readers = 1 } = options;
  const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
  const file = fs.openSync(path, write ? (create ? O_RDWR | O_CREAT : O_RDWR) : O_RDONLY);
  try {
    const stat = fs.fstatSync(file);
    checkFile(name, { folder: stat.isDirectory(), file: stat.isFile() }, write);
  } catch (error) {
    fs.closeSync(file);
    throw error;
  }
  return randomAccessFile(name, {
    size: () => fs.fstatSync(file).size,
    // Reads at a position share one handle without waiting for each other.
    read: (into, at) =>
      readers > 1
        ? readAsync(file, into, 0, into.length, at).then(({ bytesRead }) => bytesRead)
        : fs.readSync(file, into, 0, into.length, at),
    write: (from, at) => fs.writeSync(file, from, 0, from.length, at),
    truncate: (sizeBytes) => fs.ftruncateSync(file, sizeBytes),
    sync: () => fs.fsyncSync(file),
    close: () => fs.closeSync(file),
  }, options);
}
