/** What the implementations of the file interface share. */
import { FileError, fileError } from "./file_error.ts";
import type { OpenOptions, RandomAccessFile } from "./files.ts";

/** Runs a step that may fail, and tells its failure as a {@linkcode FileError}. */
export async function attempt<T>(
  action: string,
  path: string,
  run: () => T | Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof RangeError) throw cause; // a wrong argument, not the disk
    throw fileError(action, path, cause);
  }
}

/** An open file of some system, before its arguments are checked. */
export interface RawFile {
  size(): number;
  /** Reads at most `into.length` bytes; 0 at the end of the file. */
  read(into: Uint8Array, at: number): number | Promise<number>;
  /** Writes at least one byte, and says how many. */
  write(from: Uint8Array, at: number): number;
  truncate(sizeBytes: number): void;
  sync(): void;
  close(): void;
}

/** Makes a {@linkcode RandomAccessFile}: checks, whole reads and writes, errors that name `path`. */
export function randomAccessFile(
  path: string,
  raw: RawFile,
  options: OpenOptions,
): RandomAccessFile {
  const { write: writable = false } = options;
  let closed = false;
  const step = <T>(action: string, run: () => T | Promise<T>): Promise<T> =>
    attempt(action, path, () => {
      if (closed) {
        const problem = `Cannot ${action} "${path}" as it must be open: it was closed`;
        throw new FileError("closed", path, problem);
      }
      return run();
    });
  const change = (run: () => void): Promise<void> =>
    step("write", () => {
      if (!writable) {
        const problem = `Cannot write "${path}" as it must be opened with { write: true }`;
        throw new FileError("denied", path, problem);
      }
      run();
    });
  return {
    path,
    size: () => step("measure", () => raw.size()),
    read: (into, at) => step("read", () => readWhole(path, raw, into, checkOffset("at", at))),
    write: (from, at) => change(() => writeWhole(raw, from, checkOffset("at", at))),
    truncate: (size) => change(() => raw.truncate(checkOffset("sizeBytes", size))),
    sync: () => change(() => raw.sync()),
    [Symbol.dispose]() {
      if (!closed) raw.close();
      closed = true;
    },
  };
}

function checkOffset(name: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(
    `Cannot reach into a file as ${name} must be an integer of at least 0: current value is ${value}`,
  );
}

async function readWhole(
  path: string,
  raw: RawFile,
  into: Uint8Array,
  at: number,
): Promise<void> {
  for (let done = 0; done < into.length;) {
    const count = await raw.read(done === 0 ? into : into.subarray(done), at + done);
    if (count === 0) {
      throw new FileError(
        "short",
        path,
        `Cannot read "${path}" as bytes ${at} to ${at + into.length} must be in it: ` +
          `it ends at ${raw.size()}`,
      );
    }
    done += count;
  }
}

function writeWhole(raw: RawFile, from: Uint8Array, at: number): void {
  for (let done = 0; done < from.length;) {
    done += raw.write(done === 0 ? from : from.subarray(done), at + done);
  }
}

/** What {@linkcode writeBeside} needs of a system. */
export interface Disk {
  /** Opens `path`; errors and the open file call it `name`. */
  open(path: string, name: string, options: OpenOptions): RandomAccessFile;
  rename(from: string, to: string): void;
  remove(path: string): void;
}

/** Writes a new file beside `path` and puts it in its place, or leaves everything as it was. */
export async function writeBeside(
  disk: Disk,
  path: string,
  write: (file: RandomAccessFile) => Promise<void>,
): Promise<void> {
  const beside = `${path}.${crypto.randomUUID()}.part`;
  const create = () => disk.open(beside, path, { write: true, create: true });
  const file = await attempt("write", path, create);
  try {
    await write(file);
    await file.sync();
    file[Symbol.dispose](); // before the renaming: Windows renames no open file
    await attempt("replace", path, () => disk.rename(beside, path));
  } catch (error) {
    file[Symbol.dispose]();
    // The first error is the one to tell, whatever the removal says.
    await attempt("remove", beside, () => disk.remove(beside)).catch(() => {});
    throw error;
  }
}
