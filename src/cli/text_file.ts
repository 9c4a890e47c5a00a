import { FileError } from "../io/file_error.ts";
import type { Files } from "../io/files.ts";

const PIECE_BYTES = 2 ** 18;

/**
 * How many bytes a file has.
 *
 * @throws {FileError} If it has none, or is no file.
 */
export async function textBytes(files: Files, path: string): Promise<number> {
  using file = await files.open(path);
  const sizeBytes = await file.size();
  if (sizeBytes > 0) return sizeBytes;
  throw new FileError("short", path, `Cannot read "${path}" as it must have text: it is empty`);
}

/** A file as a stream, read as it is asked for. */
export async function* fileBytes(files: Files, path: string): AsyncGenerator<Uint8Array> {
  using file = await files.open(path);
  const sizeBytes = await file.size();
  for (let at = 0; at < sizeBytes; at += PIECE_BYTES) {
    const piece = new Uint8Array(Math.min(PIECE_BYTES, sizeBytes - at));
    await file.read(piece, at);
    yield piece;
  }
}

/** The same as text; a byte that is no UTF-8 gives U+FFFD. */
export async function* fileText(files: Files, path: string): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  for await (const piece of fileBytes(files, path)) yield decoder.decode(piece, { stream: true });
  yield decoder.decode();
}
