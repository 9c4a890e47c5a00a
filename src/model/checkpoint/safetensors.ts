/** Reads and writes safetensors files, tensor by tensor: never a whole file in memory. */
import { brainsToFloats, floatsToHalves, halvesToFloats } from "../../half.ts";
import type { RandomAccessFile } from "../../io/files.ts";
import { CheckpointError } from "./checkpoint_error.ts";
import {
  ELEMENT_BYTES,
  LENGTH_BYTES,
  parseHeader,
  parseHeaderLength,
  type SafetensorsHeader,
  type StoredType,
  type TensorEntry,
} from "./safetensors_header.ts";

/** Numbers of a stored tensor: f16 and bf16 widened to f32, integers and booleans to i32. */
export type TensorData = Float32Array | Float64Array | Int32Array;

/** A tensor in plain memory, row-major. */
export interface HostTensor<Data extends TensorData = TensorData> {
  /** The last axis is the fastest. */
  readonly shape: readonly number[];
  /** All numbers. */
  readonly data: Data;
}

/** Reads and checks the header of a file. @throws {CheckpointError} If it breaks a rule. */
export async function readHeader(file: RandomAccessFile): Promise<SafetensorsHeader> {
  const fileBytes = await file.size();
  if (fileBytes < LENGTH_BYTES) {
    const problem = `it must hold at least ${LENGTH_BYTES} bytes: current value is ${fileBytes}`;
    throw new CheckpointError(file.path, "", problem);
  }
  const start = new Uint8Array(LENGTH_BYTES);
  await file.read(start, 0);
  const json = new Uint8Array(parseHeaderLength(file.path, start, fileBytes));
  await file.read(json, LENGTH_BYTES);
  return parseHeader(file.path, json, fileBytes);
}

/** Reads one tensor. */
export async function readTensor(file: RandomAccessFile, entry: TensorEntry): Promise<HostTensor> {
  const bytes = new Uint8Array(entry.sizeBytes);
  await file.read(bytes, entry.at);
  return { shape: entry.shape, data: decode(file.path, entry, bytes) };
}

/** Reads a whole file. */
export async function readSafetensors(
  file: RandomAccessFile,
): Promise<{ tensors: Map<string, HostTensor>; metadata: Readonly<Record<string, string>> }> {
  const { entries, metadata } = await readHeader(file);
  const tensors = new Map<string, HostTensor>();
  for (const entry of entries.values()) tensors.set(entry.name, await readTensor(file, entry));
  return { tensors, metadata };
}

/** `bytes` begin a buffer of their own, so that they are aligned for any type. */
function decode(path: string, entry: TensorEntry, { buffer }: Uint8Array<ArrayBuffer>): TensorData {
  const length = buffer.byteLength / ELEMENT_BYTES[entry.dtype];
  switch (entry.dtype) {
    case "F32":
      return new Float32Array(buffer);
    case "F64":
      return new Float64Array(buffer);
    case "I32":
      return new Int32Array(buffer);
    case "F16":
      return halvesToFloats(new Uint16Array(buffer), new Float32Array(length));
    case "BF16":
      return brainsToFloats(new Uint16Array(buffer), new Float32Array(length));
    case "BOOL":
    case "U8":
      return Int32Array.from(new Uint8Array(buffer));
    case "I8":
      return Int32Array.from(new Int8Array(buffer));
    case "U16":
      return Int32Array.from(new Uint16Array(buffer));
    case "I16":
      return Int32Array.from(new Int16Array(buffer));
    case "U32":
      return narrow(path, entry, new Uint32Array(buffer));
    case "U64":
      return narrow(path, entry, new BigUint64Array(buffer));
    case "I64":
      return narrow(path, entry, new BigInt64Array(buffer));
  }
}

function narrow(
  path: string,
  { name, dtype }: TensorEntry,
  wide: Uint32Array | BigUint64Array | BigInt64Array,
): Int32Array {
  const out = new Int32Array(wide.length);
  for (let i = 0; i < wide.length; i++) {
    out[i] = Number(wide[i]);
    if (out[i] !== Number(wide[i])) {
      const problem = `its ${dtype} numbers must fit 32 bits: element ${i} is ${wide[i]}`;
      throw new CheckpointError(path, name, problem);
    }
  }
  return out;
}

/** Options of {@linkcode writeSafetensors}. */
export interface WriteOptions {
  /** How f32 data are stored; f64 and i32 keep their types. @default {"F32"} */
  dtype?: "F32" | "F16";
  /** Texts to put into the header. */
  metadata?: Readonly<Record<string, string>>;
}

/**
 * Writes a safetensors file from its start: the same tensors always give the same bytes.
 *
 * @throws {RangeError} If a number is too large for F16, or a shape does not fit its data.
 */
export async function writeSafetensors(
  file: RandomAccessFile,
  tensors: ReadonlyMap<string, HostTensor>,
  options: WriteOptions = {},
): Promise<void> {
  const { dtype = "F32", metadata = {} } = options;
  const entries = layOut(tensors, dtype);
  const header = formatHeader(entries, metadata);
  await file.write(header, 0);
  for (const { name, dtype, at } of entries) {
    const bytes = encode(name, tensors.get(name)!.data, dtype);
    await file.write(bytes, header.length + at);
  }
}

/** Widest elements first, so that each tensor is aligned to its own; then by name. */
function layOut(
  tensors: ReadonlyMap<string, HostTensor>,
  floats: "F32" | "F16",
): TensorEntry[] {
  const entries = Array.from(tensors, ([name, { shape, data }]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    if (size !== data.length || name === "__metadata__") {
      throw new RangeError(
        `Cannot write tensor ${JSON.stringify(name)} as its name must be free and its shape ` +
          `must hold its ${data.length} numbers: current value is [${shape.join(", ")}]`,
      );
    }
    const dtype = typeFor(data, floats);
    return { name, dtype, shape, at: 0, sizeBytes: size * ELEMENT_BYTES[dtype] };
  });
  entries.sort((a, b) =>
    ELEMENT_BYTES[b.dtype] - ELEMENT_BYTES[a.dtype] || (a.name < b.name ? -1 : 1)
  );
  let end = 0;
  return entries.map((entry) => {
    const at = end;
    end += entry.sizeBytes;
    return { ...entry, at };
  });
}

function typeFor(data: TensorData, floats: "F32" | "F16"): StoredType {
  if (data instanceof Int32Array) return "I32";
  return data instanceof Float64Array ? "F64" : floats;
}

function formatHeader(
  entries: readonly TensorEntry[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const members: [string, unknown][] = Object.keys(metadata).length === 0
    ? []
    : [["__metadata__", Object.fromEntries(Object.entries(metadata).sort())]];
  for (const { name, dtype, shape, at, sizeBytes } of entries) {
    members.push([name, { dtype, shape, data_offsets: [at, at + sizeBytes] }]);
  }
  const text = members.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(`{${text.join(",")}}`);
  const padded = Math.ceil(json.length / 8) * 8; // the data begin aligned
  const bytes = new Uint8Array(LENGTH_BYTES + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

function encode(name: string, data: TensorData, dtype: StoredType): Uint8Array {
  if (dtype !== "F16") return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const floats = data as Float32Array;
  const halves = floatsToHalves(floats, new Uint16Array(floats.length));
  for (let i = 0; i < halves.length; i++) {
    if ((halves[i] & 0x7fff) === 0x7c00 && Number.isFinite(floats[i])) {
      throw new RangeError(
        `Cannot write tensor ${
          JSON.stringify(name)
        } as F16 as its numbers must be at most 65504: ` +
          `element ${i} is ${floats[i]}`,
      );
    }
  }
  return new Uint8Array(halves.buffer);
}
