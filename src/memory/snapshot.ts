/**
 * A file of records with checksums: written from front to back, beside the old one, and read back
 * record by record, so that neither needs the whole of it in memory. Numbers are little-endian.
 *
 *   preamble  "CAIRNMEM", version u32, 0 u32, offset and length of `about` u64 each, its SHA-256
 *   records   length u32, index u32, the record, SHA-256 of all three
 *   about     JSON in UTF-8: what the records are, and how many
 *
 * Every byte is under a checksum or checked by itself, and the file ends with `about`.
 */
import type { Files, RandomAccessFile } from "../io/files.ts";
import { SnapshotError } from "./memory_error.ts";

/** The version that is written, and the one that is read. */
const SNAPSHOT_VERSION = 1;

const MAGIC = new TextEncoder().encode("CAIRNMEM");
const PREAMBLE = 64;
const PREFIX = 8;
const DIGEST = 32;
/** Beyond any real one: a hostile file must not fill the memory. */
const ABOUT_LIMIT = 2 ** 26;

/** What a snapshot says of itself. */
export type About = Readonly<Record<string, unknown>>;

/** An open snapshot. */
export interface Snapshot extends Disposable {
  readonly about: About;
  /** Each record once it was checked. @throws {SnapshotError} */
  records(): AsyncGenerator<Uint8Array, void, void>;
}

/** Writes a snapshot whole, or leaves what is there. */
export async function writeSnapshot(
  files: Files,
  path: string,
  about: About,
  records: AsyncIterable<Uint8Array>,
): Promise<void> {
  await files.replace(path, async (file) => {
    let at = PREAMBLE;
    let count = 0;
    for await (const record of records) {
      const framed = await frame(record, count++);
      await file.write(framed, at);
      at += framed.length;
    }
    const text = new TextEncoder().encode(JSON.stringify({ ...about, records: count }));
    await file.write(text, at);
    await file.write(await preamble(text, at), 0);
  });
}

async function frame(record: Uint8Array, index: number): Promise<Uint8Array> {
  const framed = new Uint8Array(PREFIX + record.length + DIGEST);
  const numbers = new DataView(framed.buffer);
  numbers.setUint32(0, record.length, true);
  numbers.setUint32(4, index, true);
  framed.set(record, PREFIX);
  const end = PREFIX + record.length;
  framed.set(await sha256(framed.subarray(0, end)), end);
  return framed;
}

async function preamble(about: Uint8Array, at: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(PREAMBLE);
  const numbers = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  numbers.setUint32(8, SNAPSHOT_VERSION, true);
  numbers.setBigUint64(16, BigInt(at), true);
  numbers.setBigUint64(24, BigInt(about.length), true);
  bytes.set(await sha256(about), 32);
  return bytes;
}

/** Opens a snapshot. @throws {SnapshotError} If it is none, cut, altered, or of another version. */
export async function openSnapshot(files: Files, path: string): Promise<Snapshot> {
  const file = await files.open(path);
  try {
    const { about, end } = await readAbout(file, path);
    return {
      about,
      records: () => readRecords(file, path, Number(about.records), end),
      [Symbol.dispose]: () => file[Symbol.dispose](),
    };
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

function broken(path: string, problem: string): SnapshotError {
  return new SnapshotError(`Cannot restore "${path}" as ${problem}`);
}

async function readAbout(
  file: RandomAccessFile,
  path: string,
): Promise<{ about: About; end: number }> {
  const size = await file.size();
  if (size < PREAMBLE) throw broken(path, `it is cut, or no snapshot: it has ${size} bytes`);
  const head = new Uint8Array(PREAMBLE);
  await file.read(head, 0);
  const numbers = new DataView(head.buffer);
  if (!isSame(head.subarray(0, MAGIC.length), MAGIC)) throw broken(path, "it is no snapshot");
  const version = numbers.getUint32(8, true);
  if (version !== SNAPSHOT_VERSION) {
    const wanted = `its version must be ${SNAPSHOT_VERSION}`;
    throw broken(path, `${wanted}: current value is ${version}`);
  }
  const at = Number(numbers.getBigUint64(16, true));
  const length = Number(numbers.getBigUint64(24, true));
  if (at < PREAMBLE || at + length !== size || numbers.getUint32(12, true) !== 0) {
    throw broken(path, `it must be ${at + length} bytes long: current value is ${size}`);
  }
  if (length > ABOUT_LIMIT) throw broken(path, `its description has ${length} bytes`);
  const text = new Uint8Array(length);
  await file.read(text, at);
  if (!isSame(await sha256(text), head.subarray(32))) {
    throw broken(path, "its description was altered");
  }
  return { about: JSON.parse(new TextDecoder().decode(text)) as About, end: at };
}

async function* readRecords(
  file: RandomAccessFile,
  path: string,
  count: number,
  end: number,
): AsyncGenerator<Uint8Array, void, void> {
  let at = PREAMBLE;
  for (let index = 0; index < count; index++) {
    const prefix = new Uint8Array(PREFIX);
    if (at + PREFIX > end) throw broken(path, `record ${index} of ${count} is missing`);
    await file.read(prefix, at);
    const length = new DataView(prefix.buffer).getUint32(0, true);
    const whole = PREFIX + length + DIGEST;
    if (at + whole > end) throw broken(path, `record ${index} of ${count} was altered`);
    const framed = new Uint8Array(whole);
    await file.read(framed, at);
    const digest = await sha256(framed.subarray(0, whole - DIGEST));
    const isNext = new DataView(framed.buffer).getUint32(4, true) === index;
    if (!isNext || !isSame(digest, framed.subarray(whole - DIGEST))) {
      throw broken(path, `record ${index} of ${count} was altered`);
    }
    at += whole;
    yield framed.subarray(PREFIX, whole - DIGEST);
  }
  if (at !== end) throw broken(path, "something was put between its records");
}

async function sha256(bytes: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
