/**
 * The header of a safetensors file: which tensors it holds, and where.
 *
 *   u64 little-endian   n, the length of the header
 *   n bytes             JSON: { "name": { "dtype", "shape", "data_offsets": [begin, end] }, … },
 *                       and "__metadata__": { "key": "text" }
 *   the rest            the tensors' bytes, without gap or overlap; offsets count from here
 *
 * Headers come from strangers: each rule of the format is checked before anything is allocated.
 * Spec: https://github.com/huggingface/safetensors
 */
import { isRecord, parseJson } from "../json.ts";
import { CheckpointError } from "./checkpoint_error.ts";

/** Bytes an element, by the types that can be read. */
export const ELEMENT_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  U16: 2,
  I16: 2,
  F16: 2,
  BF16: 2,
  U32: 4,
  I32: 4,
  F32: 4,
  U64: 8,
  I64: 8,
  F64: 8,
} as const;

/** An element type, as the file names it. */
export type StoredType = keyof typeof ELEMENT_BYTES;

/** Where one tensor lies in a file. */
export interface TensorEntry {
  /** As in the file. */
  readonly name: string;
  /** Of its elements. */
  readonly dtype: StoredType;
  /** The last axis is the fastest. */
  readonly shape: readonly number[];
  /** Of its first byte, from the start of the file. */
  readonly at: number;
  /** Of all its elements. */
  readonly sizeBytes: number;
}

/** What a safetensors file holds. */
export interface SafetensorsHeader {
  /** By name. */
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** Texts that say more about the file. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** No real header is longer; the format's own implementation has the same limit. */
const MAX_HEADER_BYTES = 100_000_000;

/** Bytes before the header: its length. */
export const LENGTH_BYTES = 8;

/** The header's length, from the first bytes of a file of `fileBytes`. */
export function parseHeaderLength(path: string, start: Uint8Array, fileBytes: number): number {
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const length = view.getBigUint64(0, true);
  if (length < 2n || length > MAX_HEADER_BYTES) {
    const problem = `its header must be 2 to ${MAX_HEADER_BYTES} bytes long`;
    throw new CheckpointError(path, "", `${problem}: current value is ${length}`);
  }
  if (LENGTH_BYTES + Number(length) > fileBytes) {
    const problem = `its header must end within the file's ${fileBytes} bytes: it was cut, or`;
    throw new CheckpointError(path, "", `${problem} is no safetensors; the header's is ${length}`);
  }
  return Number(length);
}

/** Reads the JSON of a header, given the whole file's length. */
export function parseHeader(
  path: string,
  json: Uint8Array,
  fileBytes: number,
): SafetensorsHeader {
  const members = parseMembers(path, json);
  const metadata = parseMetadata(path, members);
  const start = LENGTH_BYTES + json.length;
  const entries = Object.entries(members)
    .filter(([name]) => name !== METADATA)
    .map(([name, value]) => parseEntry(path, name, value, start));
  checkCover(path, entries, start, fileBytes);
  return { entries: new Map(entries.map((entry) => [entry.name, entry])), metadata };
}

const METADATA = "__metadata__";

function parseMembers(path: string, json: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = parseJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(json));
  } catch (cause) {
    const problem = `its header must be JSON in UTF-8: ${(cause as Error).message}`;
    throw new CheckpointError(path, "", problem, { cause });
  }
  if (isRecord(value)) return value;
  throw new CheckpointError(path, "", "its header must be a JSON object");
}

function parseMetadata(path: string, members: Record<string, unknown>): Record<string, string> {
  const metadata = Object.hasOwn(members, METADATA) ? members[METADATA] : {};
  if (isRecord(metadata) && Object.values(metadata).every((text) => typeof text === "string")) {
    return metadata as Record<string, string>;
  }
  throw new CheckpointError(path, "", `its "${METADATA}" must be an object of texts`);
}

function parseEntry(path: string, name: string, value: unknown, start: number): TensorEntry {
  const wrong = (problem: string, current: unknown): CheckpointError =>
    new CheckpointError(path, name, `${problem}: current value is ${JSON.stringify(current)}`);
  if (!isRecord(value)) throw wrong("its entry must be an object", value);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(ELEMENT_BYTES, dtype)) {
    throw wrong(`its dtype must be one of ${Object.keys(ELEMENT_BYTES).join(", ")}`, dtype);
  }
  if (!isCounts(shape)) throw wrong("its shape must be a list of integers of at least 0", shape);
  if (!isCounts(offsets) || offsets.length !== 2 || offsets[0] > offsets[1]) {
    throw wrong("its data_offsets must be [begin, end] with 0 <= begin <= end", offsets);
  }
  const sizeBytes = shape.reduce((a, b) => a * b, ELEMENT_BYTES[dtype as StoredType]);
  const [begin, end] = offsets;
  if (end - begin !== sizeBytes) {
    const wanted = `${dtype} [${shape.join(", ")}] takes ${sizeBytes} bytes`;
    throw wrong(`its data_offsets must span its size, and ${wanted}`, offsets);
  }
  return { name, dtype: dtype as StoredType, shape, at: start + begin, sizeBytes };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}

/** Tensors must lie side by side from the header to the end of the file. */
function checkCover(path: string, entries: TensorEntry[], start: number, fileBytes: number): void {
  const inOrder = entries.toSorted((a, b) => a.at - b.at || a.sizeBytes - b.sizeBytes);
  let end = start;
  for (const { name, at, sizeBytes } of inOrder) {
    if (at !== end) {
      const how = at < end ? "overlaps the tensor before it" : "leaves a gap before it";
      const problem = `it must begin at byte ${end - start} of the data and ${how}`;
      throw new CheckpointError(path, name, `${problem}: current value is ${at - start}`);
    }
    end = at + sizeBytes;
    if (end > fileBytes) {
      const problem = `it must end within the file's ${fileBytes} bytes: it ends at ${end}; ` +
        "the file was cut";
      throw new CheckpointError(path, name, problem);
    }
  }
  if (end !== fileBytes) {
    const problem = `the file must end with its last tensor, at byte ${end}`;
    throw new CheckpointError(path, "", `${problem}: it is ${fileBytes} bytes long`);
  }
}
