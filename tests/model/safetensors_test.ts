import { deepEqual, equal, rejects } from "node:assert/strict";
import { type Files, readBytes } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { CheckpointError } from "../../src/model/checkpoint/checkpoint_error.ts";
import {
  type HostTensor,
  readHeader,
  readSafetensors,
  type WriteOptions,
  writeSafetensors,
} from "../../src/model/checkpoint/safetensors.ts";
import { checkMutations } from "./mutations.ts";

const PATH = "m.safetensors";

/** A file with this header and so many bytes of data: 0, 1, 2, … */
function fileOf(header: unknown, dataBytes: number): Uint8Array<ArrayBuffer> {
  const text = typeof header === "string" ? header : JSON.stringify(header);
  return withHeader(new TextEncoder().encode(text), dataBytes);
}

function withHeader(json: Uint8Array, dataBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  for (let i = 0; i < dataBytes; i++) bytes[8 + json.length + i] = i;
  return bytes;
}

async function read(bytes: Uint8Array) {
  using file = await memoryFiles({ [PATH]: bytes }).open(PATH);
  return await readSafetensors(file);
}

async function write(
  tensors: Record<string, HostTensor>,
  options?: WriteOptions,
): Promise<{ files: Files; bytes: Uint8Array }> {
  const files = memoryFiles();
  const map = new Map(Object.entries(tensors));
  await files.replace(PATH, (file) => writeSafetensors(file, map, options));
  return { files, bytes: await readBytes(files, PATH) };
}

async function refuses(bytes: Uint8Array, tensor: string, message: RegExp) {
  await rejects(() => read(bytes), (error) => {
    equal(error instanceof CheckpointError, true, String(error));
    const { message: actual, tensor: which, path } = error as CheckpointError;
    equal(message.test(actual), true, actual);
    deepEqual({ which, path }, { which: tensor, path: PATH }, actual);
    return true;
  });
}

const entry = (dtype: string, shape: unknown, ...data_offsets: unknown[]) => ({
  dtype,
  shape,
  data_offsets,
});

/** Two numbers of each type at the ends of what can be read, and how to put one into a file. */
const TYPES: Record<string, [number[], number, (view: DataView, at: number, x: number) => void]> = {
  BOOL: [[0, 1], 1, (view, at, x) => view.setUint8(at, x)],
  U8: [[0, 255], 1, (view, at, x) => view.setUint8(at, x)],
  I8: [[-128, 127], 1, (view, at, x) => view.setInt8(at, x)],
  U16: [[0, 65535], 2, (view, at, x) => view.setUint16(at, x, true)],
  I16: [[-32768, 32767], 2, (view, at, x) => view.setInt16(at, x, true)],
  F16: [[-1.5, 65504], 2, (view, at, x) => view.setFloat16(at, x, true)],
  BF16: [[-2, 2 ** 100], 2, setBrain],
  U32: [[0, 2 ** 31 - 1], 4, (view, at, x) => view.setUint32(at, x, true)],
  I32: [[-(2 ** 31), 2 ** 31 - 1], 4, (view, at, x) => view.setInt32(at, x, true)],
  F32: [[Math.fround(0.1), Math.fround(-3e38)], 4, (view, at, x) => view.setFloat32(at, x, true)],
  U64: [[0, 2 ** 31 - 1], 8, (view, at, x) => view.setBigUint64(at, BigInt(x), true)],
  I64: [[-(2 ** 31), 7], 8, (view, at, x) => view.setBigInt64(at, BigInt(x), true)],
  F64: [[0.1, -1e300], 8, (view, at, x) => view.setFloat64(at, x, true)],
};

function setBrain(view: DataView, at: number, x: number) {
  const f32 = new DataView(new ArrayBuffer(4));
  f32.setFloat32(0, x);
  view.setUint16(at, f32.getUint16(0), true);
}

Deno.test("readSafetensors() reads every type", async () => {
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const [dtype, [, size]] of Object.entries(TYPES)) {
    header[dtype] = entry(dtype, [2, 1], end, end + 2 * size);
    end += 2 * size;
  }
  const bytes = fileOf(header, end);
  const view = new DataView(bytes.buffer, bytes.length - end);
  let at = 0;
  for (const [numbers, size, set] of Object.values(TYPES)) {
    for (const x of numbers) {
      set(view, at, x);
      at += size;
    }
  }
  const { tensors } = await read(bytes);
  for (const [dtype, [numbers]] of Object.entries(TYPES)) {
    const { shape, data } = tensors.get(dtype)!;
    deepEqual({ dtype, shape, data: [...data] }, { dtype, shape: [2, 1], data: numbers });
  }
});

Deno.test("readSafetensors() refuses integers that do not fit 32 bits", async () => {
  for (const [dtype, bytes] of [["U32", 4], ["I64", 8], ["U64", 8]] as const) {
    const file = fileOf({ x: entry(dtype, [1], 0, bytes) }, bytes).fill(255, -4);
    file.fill(0, -bytes, -bytes / 2);
    await refuses(file, "x", /must fit 32 bits: element 0 is/);
  }
});

Deno.test("writeSafetensors() writes what readSafetensors() reads", async () => {
  const tensors = {
    "ids": { shape: [2, 2], data: Int32Array.of(1, -2, 3, 4) },
    'a é " __proto__': { shape: [3], data: Float32Array.of(1, 2.5, -0.1) },
    ["__proto__"]: { shape: [], data: Float32Array.of(7) },
    "none": { shape: [0, 5], data: new Float32Array(0) },
    "wide": { shape: [1], data: Float64Array.of(0.1) },
  };
  const metadata = { format: "pt", note: "⛰" };
  const { bytes } = await write(tensors, { metadata });
  const result = await read(bytes);
  deepEqual(result.metadata, metadata);
  for (const [name, tensor] of Object.entries(tensors)) {
    deepEqual({ ...result.tensors.get(name) }, { ...tensor }, name);
  }
  equal(result.tensors.size, 5);
  // Data begin aligned, the widest first, and the order of the map does not matter.
  equal((bytes.length - (8 + 16 + 12 + 4)) % 8, 0);
  const reversed = Object.fromEntries(Object.entries(tensors).reverse());
  deepEqual((await write(reversed, { metadata: { note: "⛰", format: "pt" } })).bytes, bytes);
});

Deno.test("writeSafetensors() rounds to F16, and refuses what is too large for it", async () => {
  const x = Float32Array.of(0.1, 65504, -(2 ** -24), NaN, Infinity);
  const { bytes } = await write({ x: { shape: [5], data: x } }, { dtype: "F16" });
  const { tensors } = await read(bytes);
  deepEqual([...tensors.get("x")!.data], [...Float16Array.from(x)]);
  const large = { shape: [2], data: Float32Array.of(1, 65520) };
  await rejects(() => write({ large }, { dtype: "F16" }), {
    name: "RangeError",
    message: 'Cannot write tensor "large" as F16 as its numbers must be at most 65504: ' +
      "element 1 is 65520",
  });
  await rejects(() => write({ x: { shape: [3], data: x } }), /shape must hold its 5 numbers/);
});

Deno.test("readSafetensors() refuses files that are too short or whose header is", async () => {
  const whole = fileOf({ x: entry("F32", [2], 0, 8) }, 8);
  await refuses(new Uint8Array(0), "", /at least 8 bytes: current value is 0/);
  await refuses(whole.slice(0, 7), "", /at least 8 bytes: current value is 7/);
  await refuses(whole.slice(0, 20), "", /header must end within the file's 20 bytes/);
  await refuses(whole.slice(0, -1), "x", /must end within the file's \d+ bytes: .* was cut/);
  await refuses(Uint8Array.from([...whole, 0]), "", /must end with its last tensor, at byte/);
  for (const length of [0n, 1n, 100_000_001n, 2n ** 63n, 2n ** 64n - 1n]) {
    const bytes = whole.slice();
    new DataView(bytes.buffer).setBigUint64(0, length, true);
    await refuses(bytes, "", new RegExp(`2 to 100000000 bytes long: current value is ${length}`));
  }
});

Deno.test("readSafetensors() refuses headers that are not what the format says", async () => {
  const json = (text: string) => fileOf(text, 0);
  await refuses(json("{]"), "", /must be JSON in UTF-8/);
  await refuses(withHeader(Uint8Array.of(0x7b, 0xff, 0x7d), 0), "", /must be JSON in UTF-8/);
  await refuses(withHeader(new TextEncoder().encode("\uFEFF{}"), 0), "", /must be JSON/);
  await refuses(json("[]"), "", /must be a JSON object/);
  await refuses(
    json('{"__metadata__": {"a": 1}}'),
    "",
    /"__metadata__" must be an object of texts/,
  );
  await refuses(json('{"__metadata__": null}'), "", /"__metadata__" must be/);
  const one = JSON.stringify(entry("F32", [1], 0, 4));
  await refuses(fileOf(`{"x": ${one}, "\\u0078": ${one}}`, 4), "", /"x" is there twice/);
  const twice = `{"x": {"dtype": "F32", "shape": [1], "shape": [1], "data_offsets": [0, 4]}}`;
  await refuses(fileOf(twice, 4), "", /"shape" is there twice/);
  equal((await read(json("{}  "))).tensors.size, 0);
  equal((await read(json('{"__metadata__": {}}'))).tensors.size, 0);
});

Deno.test("readSafetensors() refuses tensors that are not what the format says", async () => {
  const cases: [unknown, RegExp][] = [
    [null, /entry must be an object: current value is null/],
    [[], /entry must be an object/],
    [{}, /dtype must be one of BOOL, U8.*: current value is undefined/],
    [entry("F8_E4M3", [4], 0, 4), /dtype must be one of .*"F8_E4M3"/],
    [entry("toString", [4], 0, 4), /dtype must be one of/],
    [entry("F32", 4, 0, 4), /shape must be a list of integers of at least 0: current value is 4/],
    [entry("F32", [-1], 0, 4), /shape must be/],
    [entry("F32", [0.5], 0, 4), /shape must be/],
    [entry("F32", [2 ** 60], 0, 4), /shape must be/],
    [entry("F32", [2 ** 40, 2 ** 40], 0, 4), /F32 \[1099511627776, 1099511627776\] takes/],
    [entry("F32", ["1"], 0, 4), /shape must be/],
    [entry("F32", [1], 0), /data_offsets must be \[begin, end\]/],
    [entry("F32", [1], 4, 0), /data_offsets must be \[begin, end\]/],
    [entry("F32", [1], -4, 0), /data_offsets must be \[begin, end\]/],
    [entry("F32", [1], 0, 1e300), /data_offsets must be \[begin, end\]/],
    [entry("F32", [1], 0, 3), /must span its size, and F32 \[1\] takes 4 bytes: .*\[0,3\]/],
    [entry("F16", [1], 0, 4), /F16 \[1\] takes 2 bytes/],
    [entry("F32", [1], 1, 5), /must begin at byte 0 of the data and leaves a gap/],
    [entry("F32", [1000], 0, 4000), /must end within the file's/],
    [entry("F32", [2 ** 50], 0, 2 ** 52), /must end within the file's/],
  ];
  for (const [x, message] of cases) await refuses(fileOf({ x }, 4), "x", message);
});

Deno.test("readSafetensors() refuses tensors that overlap or leave a gap", async () => {
  const a = entry("F32", [2], 0, 8);
  await refuses(
    fileOf({ a, b: entry("F32", [1], 4, 8) }, 8),
    "b",
    /byte 8 .* overlaps.*value is 4/,
  );
  await refuses(fileOf({ a, b: a }, 8), "b", /overlaps/);
  await refuses(fileOf({ a, b: entry("U8", [1], 9, 10) }, 10), "b", /byte 8 .* leaves a gap/);
  await refuses(fileOf({ a }, 9), "", /must end with its last tensor/);
  const empty = entry("F32", [0], 8, 8);
  equal((await read(fileOf({ b: empty, a, c: empty }, 8))).tensors.size, 3);
});

Deno.test("readHeader() allocates nothing for what a header only claims", async () => {
  const claim = fileOf({ x: entry("F32", [2 ** 48], 0, 2 ** 50) }, 4);
  using file = await memoryFiles({ [PATH]: claim }).open(PATH);
  await rejects(() => readHeader(file), CheckpointError);
});

Deno.test("readSafetensors() survives altered files", async () => {
  const { bytes } = await write({
    "model.norm.weight": { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) },
    "b": { shape: [4], data: Int32Array.of(1, 2, 3, 4) },
    "c": { shape: [0], data: new Float32Array(0) },
    "d": { shape: [1], data: Float64Array.of(1) },
  }, { metadata: { format: "pt" } });
  const within = bytes.length - 48;
  const count = 6000;
  const { refused } = await checkMutations(bytes, { seed: 7, count, within }, async (altered) => {
    using file = await memoryFiles({ [PATH]: altered }).open(PATH);
    const { entries } = await readHeader(file);
    const { tensors } = await readSafetensors(file);
    // Every byte after the header belongs to exactly one tensor.
    let held = 0;
    for (const { at, sizeBytes } of entries.values()) {
      equal(at + sizeBytes <= altered.length, true);
      held += sizeBytes;
    }
    equal(held, altered.length - 8 - Number(new DataView(altered.buffer).getBigUint64(0, true)));
    for (const { shape, data } of tensors.values()) {
      equal(data.length, shape.reduce((a, b) => a * b, 1));
    }
  }, CheckpointError);
  equal(refused > count / 2 && refused < count, true, `${refused} of ${count} refused`);
});
