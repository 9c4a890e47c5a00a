import source from "../../../wgsl/copy_halves.wgsl" with { type: "text" };
import { floatsToHalves } from "../../half.ts";
import { type Numbers, sizeOf, type Tensor } from "../device.ts";
import { checkInteger, checkShapes, shapeText } from "../shapes.ts";
import type { WholeHost } from "./gpu_host.ts";
import { GpuTensor, numbersChanged } from "./gpu_tensor.ts";
import { type GpuHost, spread } from "./host.ts";

const copyHalves = { name: "copy_halves", source };

/** A window on `count` rows of the first axis from row `at`. */
export function view(host: WholeHost, tensor: Tensor, at: number, count: number): Tensor {
  const { dtype, shape: [rows, ...rest], storage, at: start } = host.inside(tensor);
  checkInteger("view", "at", at, [0, rows]);
  checkInteger("view", "count", count, [0, rows - at]);
  return new GpuTensor(dtype, [count, ...rest], storage, start + at * sizeOf(rest));
}

/** The same numbers under another shape. */
export function reshape(host: WholeHost, tensor: Tensor, shape: readonly number[]): Tensor {
  const { dtype, storage, at } = host.inside(tensor);
  if (sizeOf(shape) !== sizeOf(tensor.shape)) {
    throw new RangeError(
      `Cannot reshape as the new shape must hold ${sizeOf(tensor.shape)} numbers: ` +
        `current values are ${shapeText(tensor)} and [${shape.join(", ")}]`,
    );
  }
  return new GpuTensor(dtype, [...shape], storage, at);
}

/** Writes numbers from element `at` on; a Uint16Array holds f16 patterns. */
export function write(host: WholeHost, tensor: Tensor, data: Numbers | Uint16Array, at = 0): void {
  const inside = host.inside(tensor);
  const { dtype, storage } = inside;
  if (!Number.isInteger(at) || at < 0 || at + data.length > sizeOf(tensor.shape)) {
    throw new RangeError(
      `Cannot write ${data.length} numbers from element ${at} on as the tensor must have room ` +
        `for them: current value is ${shapeText(tensor)}`,
    );
  }
  if (data instanceof Uint16Array && dtype !== "f16") {
    throw new TypeError(
      `Cannot write 16-bit patterns as the tensor must be f16: current value is ${dtype}`,
    );
  }
  if (data.length === 0) return;
  host.settle(inside);
  numbersChanged(storage);
  const start = inside.at + at;
  if (dtype === "f16") return writeHalves(host, inside, halvesOf(data), at);
  const numbers = dtype === "f32" ? floats(data as Numbers) : Int32Array.from(data);
  if (numbers instanceof Int32Array) storage.shadow?.set(numbers, start);
  host.commands.write(storage.buffer, start * 4, bytesOf(numbers));
}

/** A copy of a tensor's numbers; of f16, the patterns. */
export async function read(
  host: WholeHost,
  tensor: Tensor,
): Promise<Float32Array | Int32Array | Uint16Array> {
  const inside = host.inside(tensor);
  const { dtype, shape, storage, at } = inside;
  const size = sizeOf(shape);
  host.settle(inside);
  if (dtype === "f16") {
    const odd = at % 2;
    const bytes = await host.commands.read(storage.buffer, (at - odd) * 2, (size + odd) * 2);
    return new Uint16Array(bytes, odd * 2, size);
  }
  const bytes = await host.commands.read(storage.buffer, at * 4, size * 4);
  return dtype === "f32" ? new Float32Array(bytes) : new Int32Array(bytes);
}

/** out = x. */
export function copy(host: WholeHost, x: Tensor, out: Tensor): void {
  const { X, Y } = checkShapes("copy", { x, out });
  if (X !== Y || x.dtype !== out.dtype) {
    throw new RangeError(
      `Cannot copy as both must be of one type and size: current values are ` +
        `${shapeText(x)} and ${shapeText(out)}`,
    );
  }
  if (X === 0) return;
  if (host.shares(x, out)) {
    // A buffer cannot be copied to itself.
    using aside = host.tensor(x.shape, { dtype: x.dtype, zero: false });
    copy(host, x, aside);
    return copy(host, aside, out);
  }
  const halves = [host.offset(x), host.offset(out), X];
  if (x.dtype === "f16" && halves.some((count) => count % 2 !== 0)) {
    return runCopyHalves(host, x, out, X);
  }
  host.copy(x, out);
}

function writeHalves(host: WholeHost, tensor: GpuTensor, halves: Uint16Array, at: number): void {
  const start = tensor.at + at;
  if (start % 2 === 0 && halves.length % 2 === 0) {
    return host.commands.write(tensor.storage.buffer, start * 2, bytesOf(halves));
  }
  // Words at the borders hold others' halves too.
  const padded = new Uint16Array(halves.length + halves.length % 2);
  padded.set(halves);
  using aside = host.tensor([padded.length], { dtype: "f16", data: padded });
  const window = new GpuTensor("f16", [halves.length], tensor.storage, start);
  runCopyHalves(host, aside, window, halves.length);
}

function runCopyHalves(host: GpuHost, x: Tensor, out: Tensor, n: number): void {
  const words = Math.floor((host.offset(out) + n + 1) / 2) - Math.floor(host.offset(out) / 2);
  const groups = spread(host, Math.ceil(words / 64));
  host.run(copyHalves, { tensors: [x, out], params: [n], groups });
}

/** The nearest f16 patterns. */
function halvesOf(data: Numbers | Uint16Array): Uint16Array {
  if (data instanceof Uint16Array) return data;
  return floatsToHalves(Float32Array.from(data), new Uint16Array(data.length));
}

function floats(data: Numbers): Float32Array {
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

function bytesOf(numbers: Float32Array | Int32Array | Uint16Array): Uint8Array {
  return new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);
}
