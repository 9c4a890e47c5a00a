import { checkFile } from "./file_error.ts";
import type { FileInfo, Files, OpenOptions, RandomAccessFile } from "./files.ts";
import { attempt, randomAccessFile, writeBeside } from "./random_access.ts";

/**
 * The files of the operating system, through Deno.
 *
 * Work on an open file is synchronous inside: a read of warm pages takes 3 to 4 µs, less than a
 * promise from Deno's thread pool. Only files opened with more than one reader read asynchronously.
 */
export function denoFiles(): Files {
  return {
    stat: (path) => attempt("look at", path, () => statNow(path)),
    list: (path) => attempt("list", path, () => [...Deno.readDirSync(path)].map(nameOf).sort()),
    makeFolder: (path) =>
      attempt("make the folder", path, () => Deno.mkdirSync(path, { recursive: true })),
    open: (path, options = {}) => attempt("open", path, () => openNow(path, path, options)),
    replace: (path, write) =>
      writeBeside({ open: openNow, rename: Deno.renameSync, remove: Deno.removeSync }, path, write),
    remove: (path) => attempt("remove", path, () => removeNow(path)),
  };
}

function nameOf(entry: Deno.DirEntry): string {
  return entry.name;
}

function statNow(path: string): FileInfo | undefined {
  try {
    const { isDirectory, size } = Deno.statSync(path);
    return isDirectory ? { kind: "folder", sizeBytes: 0 } : { kind: "file", sizeBytes: size };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

function removeNow(path: string): void {
  try {
    Deno.removeSync(path, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

function openNow(path: string, name: string, options: OpenOptions): RandomAccessFile {
  const { write = false, create = false, readers = 1 } = options;
  const file = Deno.openSync(path, { read: true, write, create });
  try {
    const { isDirectory, isFile } = file.statSync();
    checkFile(name, { folder: isDirectory, file: isFile }, write);
  } catch (error) {
    file.close();
    throw error;
  }
  const pool = readers > 1 ? readerPool(path, readers) : undefined;
  return randomAccessFile(name, {
    size: () => file.statSync().size,
    read(into, at) {
      if (pool) return pool.read(into, at);
      file.seekSync(at, Deno.SeekMode.Start);
      return file.readSync(into) ?? 0;
    },
    write(from, at) {
      file.seekSync(at, Deno.SeekMode.Start);
      return file.writeSync(from);
    },
    truncate: (sizeBytes) => file.truncateSync(sizeBytes),
    sync: () => file.syncSync(),
    close() {
      file.close();
      pool?.[Symbol.dispose]();
    },
  }, options);
}

/** Several handles on one file: Deno serialises the reads on a single one. */
interface ReaderPool extends Disposable {
  read(into: Uint8Array, at: number): Promise<number>;
}

function readerPool(path: string, count: number): ReaderPool {
  const all = Array.from({ length: count }, () => Deno.openSync(path));
  const idle = [...all];
  const waiting: ((file: Deno.FsFile) => void)[] = [];
  const take = (): Deno.FsFile | Promise<Deno.FsFile> =>
    idle.pop() ?? new Promise((resolve) => waiting.push(resolve));
  const give = (file: Deno.FsFile): void => {
    const next = waiting.shift();
    if (next) next(file);
    else idle.push(file);
  };
  return {
    async read(into, at) {
      const file = await take();
      try {
        file.seekSync(at, Deno.SeekMode.Start);
        return await file.read(into) ?? 0;
      } finally {
        give(file);
      }
    },
    [Symbol.dispose]: () => all.forEach((file) => file.close()),
  };
}
