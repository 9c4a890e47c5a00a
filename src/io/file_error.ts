/** What went wrong with a file, for programs. */
export type FileProblem =
  | "missing"
  | "denied"
  | "read-only"
  | "full"
  | "not a file"
  | "not a folder"
  | "short"
  | "closed"
  | "other";

/** A file that cannot be read or written; the message says which, and what to do. */
export class FileError extends Error {
  /** Its class, also across realms. */
  override name = "FileError";
  /** What went wrong, for programs. */
  readonly problem: FileProblem;
  /** The file or folder. */
  readonly path: string;

  /** Takes the whole message. */
  constructor(problem: FileProblem, path: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
    this.path = path;
  }
}

/**
 * Refuses what is opened and is no file.
 *
 * @throws {FileError} If it is a folder, or is to be read and is a pipe or a device: these have no
 * size, and would be read as an empty file.
 */
export function checkFile(
  name: string,
  is: { readonly folder: boolean; readonly file: boolean },
  write: boolean,
): void {
  if (is.folder) {
    throw new FileError(
      "not a file",
      name,
      `Cannot open "${name}" as a folder is there: name a file`,
    );
  }
  if (is.file || write) return;
  throw new FileError(
    "not a file",
    name,
    `Cannot open "${name}" as a pipe or a device is there: ` +
      "write what comes from it to a file, and name that",
  );
}

/** The operating system's codes (Deno and Node use the same ones), and what to do about each. */
const PROBLEMS: Readonly<Record<string, readonly [FileProblem, string]>> = {
  ENOENT: ["missing", "nothing is there: check the path, or make its folder first"],
  EACCES: ["denied", "access is denied: check the owner and mode of the file and its folder"],
  EPERM: ["denied", "access is denied: check the owner and mode of the file and its folder"],
  EROFS: ["read-only", "the disk is read-only: choose a path on a disk that can be written"],
  ENOSPC: ["full", "the disk is full: free space on it, or choose a path on another one"],
  EDQUOT: ["full", "the quota of the disk is used up: free space, or choose another path"],
  EFBIG: ["full", "the file would be larger than the disk allows: choose another path"],
  EISDIR: ["not a file", "a folder is there: name a file"],
  ENOTDIR: ["not a folder", "a file stands where a folder must be: check the path"],
  EMFILE: ["other", "too many files are open: close some, or raise the limit (ulimit -n)"],
};

/** Tells in a {@linkcode FileError} what the operating system refused. */
export function fileError(action: string, path: string, cause: unknown): FileError {
  if (cause instanceof FileError) return cause;
  const { code, name, message } = cause as { code?: string; name?: string; message?: string };
  const known = code === undefined ? undefined : PROBLEMS[code];
  if (known) {
    return new FileError(known[0], path, `Cannot ${action} "${path}" as ${known[1]}`, { cause });
  }
  if (name === "NotCapable") {
    const problem = "Deno was not given the permission: add --allow-read or --allow-write";
    return new FileError("denied", path, `Cannot ${action} "${path}" as ${problem}`, { cause });
  }
  return new FileError("other", path, `Cannot ${action} "${path}": ${message ?? cause}`, { cause });
}
