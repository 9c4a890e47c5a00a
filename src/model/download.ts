/** Downloads model folders from a server that speaks as the Hugging Face hub does. */
import { type Files, joinPath } from "../io/files.ts";
import { sha256 } from "../sha256.ts";
import { isRecord } from "./json.ts";

/** A download that failed; files that were there before are as they were. */
export class DownloadError extends Error {
  /** Its class, also across realms. */
  override name = "DownloadError";
  /** What was asked for. */
  readonly url: string;

  /** Takes what comes after "as" in the message. */
  constructor(url: string, problem: string, options?: ErrorOptions) {
    super(`Cannot download ${url} as ${problem}`, options);
    this.url = url;
  }
}

/** What a download has done so far. */
export interface DownloadProgress {
  /** The file that is coming. */
  readonly file: string;
  /** Of this file, so far. */
  readonly doneBytes: number;
  /** Of this file, in all. */
  readonly totalBytes: number;
}

/** Options of {@linkcode downloadModel}. */
export interface DownloadOptions {
  /** A branch, tag or commit. @default {"main"} */
  revision?: string | undefined;
  /** What fetches. @default {globalThis.fetch} */
  fetch?: typeof globalThis.fetch | undefined;
  /** Ends the download; what is half there is removed. */
  signal?: AbortSignal | undefined;
  /** Called after each piece. */
  onProgress?: ((progress: DownloadProgress) => void) | undefined;
}

/** What to download, from where, and into which folder. */
export interface DownloadSource {
  /** OWNER/NAME. */
  readonly name: string;
  readonly origin: string;
  readonly folder: string;
}

/** A file in the server's listing. */
interface RemoteFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** SHA-256 of a large file, or git's object name of a small one. */
  readonly sum: { readonly kind: "sha256" | "git"; readonly hex: string };
}

/** Weights whole or in shards, and what a tokenizer needs. The configuration comes last. */
const WANTED = [
  /^model(-\d+-of-\d+)?\.safetensors$/,
  /^model\.safetensors\.index\.json$/,
  /^tokenizer(_config)?\.json$/,
  /^config\.json$/,
];

/**
 * Downloads a model's files, each checked by size and sum, and put in place only when whole. The
 * configuration comes last, so that a folder that has one has everything.
 *
 * @throws {DownloadError} If the server does not answer as expected, or a file is not what it said.
 * @throws {FileError} If a file cannot be written.
 */
export async function downloadModel(
  files: Files,
  source: DownloadSource,
  options: DownloadOptions = {},
): Promise<void> {
  const { name, origin, folder } = source;
  const { revision = "main" } = options;
  const root = origin.replace(/\/+$/, "");
  const listing = await list(`${root}/api/models/${name}/tree/${encode(revision)}`, options);
  const wanted = WANTED.flatMap((pattern) => listing.filter(({ path }) => pattern.test(path)));
  for (const needed of [/^config\.json$/, /\.safetensors$/]) {
    if (wanted.some(({ path }) => needed.test(path))) continue;
    const problem = `the model must have a file like ${needed}: it has none`;
    throw new DownloadError(`${root}/${name}`, problem);
  }
  await files.makeFolder(folder);
  for (const remote of wanted) {
    const url = `${root}/${name}/resolve/${encode(revision)}/${remote.path}`;
    await downloadFile(files, { url, remote, path: joinPath(folder, remote.path) }, options);
  }
}

const encode = (part: string): string => encodeURIComponent(part);

async function list(url: string, options: DownloadOptions): Promise<RemoteFile[]> {
  const response = await get(url, options);
  const entries: unknown = await response.json().catch((cause) => {
    throw new DownloadError(url, "its answer must be JSON", { cause });
  });
  if (!Array.isArray(entries)) throw new DownloadError(url, "its answer must be a list of files");
  return entries.filter((entry) => isRecord(entry) && entry["type"] === "file").map((entry) => {
    const { path, size, oid, lfs } = entry;
    const large = isRecord(lfs) ? lfs : undefined;
    const hex = large ? large["oid"] : oid;
    if (typeof path !== "string" || !Number.isSafeInteger(size) || typeof hex !== "string") {
      throw new DownloadError(url, 'its entries must have "path", "size" and "oid"');
    }
    return { path, sizeBytes: size, sum: { kind: large ? "sha256" : "git", hex } };
  });
}

async function get(url: string, options: DownloadOptions): Promise<Response> {
  const { fetch = globalThis.fetch, signal } = options;
  let response: Response;
  try {
    response = await fetch(url, signal ? { signal } : {});
  } catch (cause) {
    signal?.throwIfAborted();
    const problem = `the server must be reachable: ${(cause as Error).message}`;
    throw new DownloadError(url, problem, { cause });
  }
  if (response.ok && response.body) return response;
  await response.body?.cancel();
  throw new DownloadError(url, `the server must answer 200: it answered ${response.status}`);
}

async function downloadFile(
  files: Files,
  { url, remote, path }: { url: string; remote: RemoteFile; path: string },
  options: DownloadOptions,
): Promise<void> {
  const { sizeBytes, sum } = remote;
  await files.replace(path, async (file) => {
    const response = await get(url, options);
    const large = sha256();
    const small: Uint8Array[] = [];
    let doneBytes = 0;
    for await (const chunk of response.body!) {
      if (doneBytes + chunk.length > sizeBytes) {
        throw new DownloadError(url, `it must be ${sizeBytes} bytes long: it is longer`);
      }
      await file.write(chunk, doneBytes);
      if (sum.kind === "sha256") large.update(chunk);
      else small.push(chunk);
      doneBytes += chunk.length;
      options.onProgress?.({ file: remote.path, doneBytes, totalBytes: sizeBytes });
    }
    if (doneBytes !== sizeBytes) {
      throw new DownloadError(url, `it must be ${sizeBytes} bytes long: ${doneBytes} came`);
    }
    const hex = sum.kind === "sha256" ? large.hex() : await gitSum(small, sizeBytes);
    if (hex !== sum.hex) {
      throw new DownloadError(url, `its ${sum.kind} sum must be ${sum.hex}: it is ${hex}`);
    }
  });
}

/** The name git gives a file's contents: SHA-1 of a header and the bytes. */
async function gitSum(chunks: readonly Uint8Array[], sizeBytes: number): Promise<string> {
  const header = new TextEncoder().encode(`blob ${sizeBytes}\0`);
  const whole = await new Blob([header, ...chunks as Uint8Array<ArrayBuffer>[]]).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-1", whole));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
