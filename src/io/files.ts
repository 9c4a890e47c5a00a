/**
 * The small file interface: all that checkpoints, snapshots and the file tier need of a disk.
 *
 * It is not a file system: no permissions, no links, no watching, no working directory of its own.
 * Paths are plain strings with `/` between the parts, and mean what the implementation says they
 * mean (`deno_files.ts`, `node_files.ts`: the operating system's; `memory_files.ts`: names in a
 * map). Everything that fails throws a {@linkcode FileError} that names the path.
 */
import { FileError } from "./file_error.ts";

/** What stands at a path. */
export interface FileInfo {
  /** What it is. */
  readonly kind: "file" | "folder";
  /** 0 for a folder. */
  readonly sizeBytes: number;
}

/** How {@linkcode Files.open} opens a file. */
export interface OpenOptions {
  /** Allow writing. @default {false} */
  write?: boolean;
  /** Make the file if it is missing; needs `write`. @default {false} */
  create?: boolean;
  /**
   * How many reads may run at once. With 1 each read runs at once and to its end, which is fastest
   * when the pages are warm; with more, reads overlap, which is fastest on a cold disk.
   * @default {1}
   */
  readers?: number;
}

/** An open file, read and written at any offset; closed at the end of its scope. */
export interface RandomAccessFile extends Disposable {
  /** As it was opened. */
  readonly path: string;
  /** How many bytes the file holds now. */
  size(): Promise<number>;
  /** Fills `into` from offset `at`. @throws {FileError} "short" if the file ends before it is full. */
  read(into: Uint8Array, at: number): Promise<void>;
  /** Writes all of `from` at offset `at`; the file grows as needed. */
  write(from: Uint8Array, at: number): Promise<void>;
  /** Cuts the file, or grows it with zeros. */
  truncate(sizeBytes: number): Promise<void>;
  /** Returns when what was written is on the disk. */
  sync(): Promise<void>;
}

/** Where files live. */
export interface Files {
  /** What stands at `path`; `undefined` if nothing does. */
  stat(path: string): Promise<FileInfo | undefined>;
  /** Names in a folder, sorted. */
  list(path: string): Promise<string[]>;
  /** Makes a folder and those above it; one that is there already is fine. */
  makeFolder(path: string): Promise<void>;
  /** Opens a file. */
  open(path: string, options?: OpenOptions): Promise<RandomAccessFile>;
  /**
   * Writes a file whole or not at all: `write` fills a new file beside `path`, which then takes its
   * place in one step. If anything throws, the old file stays as it was and the new one is removed.
   */
  replace(path: string, write: (file: RandomAccessFile) => Promise<void>): Promise<void>;
  /** Removes a file, or a folder with all that is in it; nothing there is fine. */
  remove(path: string): Promise<void>;
}

/** Whether a file stands at `path`. */
export async function isFile(files: Files, path: string): Promise<boolean> {
  return (await files.stat(path))?.kind === "file";
}

/** Whether a folder stands at `path`. */
export async function isFolder(files: Files, path: string): Promise<boolean> {
  return (await files.stat(path))?.kind === "folder";
}

/** Joins a folder and a name below it. */
export function joinPath(folder: string, name: string): string {
  return folder === "" ? name : folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** Options of {@linkcode readBytes} and {@linkcode readText}. */
export interface ReadOptions {
  /** A longer file is refused, so that a wrong path cannot fill the memory. @default {2 ** 31} */
  limitBytes?: number;
}

/** Reads a whole file. */
export async function readBytes(
  files: Files,
  path: string,
  options: ReadOptions = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const { limitBytes = 2 ** 31 } = options;
  using file = await files.open(path);
  const sizeBytes = await file.size();
  if (sizeBytes > limitBytes) {
    throw new FileError(
      "other",
      path,
      `Cannot read "${path}" as it must hold at most ${limitBytes} bytes: current value is ${sizeBytes}`,
    );
  }
  const bytes = new Uint8Array(sizeBytes);
  await file.read(bytes, 0);
  return bytes;
}

/** Reads a whole file as UTF-8. @throws {FileError} If it is not UTF-8. */
export async function readText(
  files: Files,
  path: string,
  options: ReadOptions = {},
): Promise<string> {
  const bytes = await readBytes(files, path, options);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new FileError("other", path, `Cannot read "${path}" as text as it must be UTF-8`, {
      cause,
    });
  }
}

/** Writes a whole file, as {@linkcode Files.replace} does. */
export function writeBytes(files: Files, path: string, bytes: Uint8Array): Promise<void> {
  return files.replace(path, (file) => file.write(bytes, 0));
}

/** Writes a whole file as UTF-8, as {@linkcode Files.replace} does. */
export function writeText(files: Files, path: string, text: string): Promise<void> {
  return writeBytes(files, path, new TextEncoder().encode(text));
}
