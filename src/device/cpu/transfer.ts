import { floatsToHalves } from "../../half.ts";
import { type Numbers, sizeOf, type Tensor } from "../device.ts";
import { checkInteger, shapeText } from "../shapes.ts";
import { CpuTensor, SIZE_BYTES } from "./cpu_tensor.ts";
import type { Host } from "./host.ts";
import { owned } from "./wasm_host.ts";

/** A window on `count` rows of the first axis from row `at`. */
export function view(host: Host, tensor: Tensor, at: number, count: number): Tensor {
  const { dtype, shape: [rows, ...rest], storage, address } = owned(host, tensor);
  checkInteger("view", "at", at, [0, rows]);
  checkInteger("view", "count", count, [0, rows - at]);
  const start = address + at * sizeOf(rest) * SIZE_BYTES[dtype];
  return new CpuTensor(dtype, [count, ...rest], storage, start);
}

/** The same numbers under another shape. */
export function reshape(host: Host, tensor: Tensor, shape: readonly number[]): Tensor {
  const { dtype, storage, address } = owned(host, tensor);
  if (sizeOf(shape) !== sizeOf(tensor.shape)) {
    throw new RangeError(
      `Cannot reshape as the new shape must hold ${sizeOf(tensor.shape)} numbers: ` +
        `current values are ${shapeText(tensor)} and [${shape.join(", ")}]`,
    );
  }
  return new CpuTensor(dtype, [...shape], storage, address);
}

/** Writes numbers from element `at` on; a Uint16Array holds f16 patterns. */
export function write(host: Host, tensor: Tensor, data: Numbers | Uint16Array, at = 0): void {
  const size = sizeOf(tensor.shape);
  const address = host.address(tensor);
  if (!Number.isInteger(at) || at < 0 || at + data.length > size) {
    throw new RangeError(
      `Cannot write ${data.length} numbers from element ${at} on as the tensor must have room ` +
        `for them: current value is ${shapeText(tensor)}`,
    );
  }
  if (tensor.dtype === "f16") {
    host.u16(address, size).set(data instanceof Uint16Array ? data : toHalves(data), at);
  } else if (data instanceof Uint16Array) {
    throw new TypeError(
      `Cannot write 16-bit patterns as the tensor must be f16: current value is ${tensor.dtype}`,
    );
  } else {
    (tensor.dtype === "f32" ? host.f32(address, size) : host.i32(address, size)).set(data, at);
  }
}

/** The nearest f16 patterns. */
function toHalves(data: Numbers): Uint16Array {
  return floatsToHalves(Float32Array.from(data), new Uint16Array(data.length));
}

/** A copy of a tensor's numbers; of f16, the patterns. */
export function read(host: Host, tensor: Tensor): Float32Array | Int32Array | Uint16Array {
  const size = sizeOf(tensor.shape);
  const address = host.address(tensor);
  if (tensor.dtype === "f32") return host.f32(address, size).slice();
  return tensor.dtype === "i32" ? host.i32(address, size).slice() : host.u16(address, size).slice();
}
