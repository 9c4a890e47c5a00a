/**
 * The reference device: every operation as plain loops in f64, to be read as its specification and
 * to test the other devices by. It is slow, and meant to be.
 */

import { type Device, type DType, type Numbers, sizeOf } from "../device.ts";
import { checkInteger, shapeText } from "../shapes.ts";
import { infiniOperations } from "./infini_operations.ts";
import { landmarkOperations } from "./landmark_operations.ts";
import { memoryOperations } from "./memory_operations.ts";
import { modelOperations } from "./model_operations.ts";
import { allocate, type Reach, reachOf, ReferenceTensor, store } from "./tensors.ts";
import { windowOperations } from "./window_operations.ts";

/** Opens a reference device. */
export function referenceDevice(): Device {
  let bytes = 0;
  const owner = {};
  const reach = reachOf(owner);

  /** A tensor with memory of its own. */
  function create(dtype: DType, shape: readonly number[]): ReferenceTensor {
    for (const length of shape) {
      checkInteger("tensor", "every axis", length, [0, Number.MAX_SAFE_INTEGER]);
    }
    const data = allocate(dtype, shape);
    bytes += data.byteLength;
    const storage = { owner, freed: false };
    return new ReferenceTensor(dtype, [...shape], data, storage, () => bytes -= data.byteLength);
  }

  return {
    info: {
      kind: "reference",
      name: "reference (f64 loops)",
      threads: 1,
      remote: false,
      tensorBytes: Number.MAX_SAFE_INTEGER,
      details: {},
    },
    get bytes() {
      return bytes;
    },
    tensor(shape, { dtype = "f32", data } = {}) {
      const tensor = create(dtype, shape);
      try {
        if (data !== undefined) writeTo(tensor, data, 0);
      } catch (error) {
        tensor[Symbol.dispose]();
        throw error;
      }
      return tensor;
    },
    ...windows(reach),
    ...transfers(reach),
    ...modelOperations(reach),
    ...landmarkOperations(reach),
    ...memoryOperations(reach, create),
    ...infiniOperations(reach),
    ...windowOperations(reach),
    [Symbol.dispose]: () => {},
  };
}

/** Other sights of a tensor's memory. */
function windows({ any }: Reach): Pick<Device, "view" | "reshape"> {
  return {
    view(tensor, at, count) {
      const { dtype, shape: [rows, ...rest], data, storage } = any(tensor);
      checkInteger("view", "at", at, [0, rows]);
      checkInteger("view", "count", count, [0, rows - at]);
      const width = sizeOf(rest);
      const window = data.subarray(at * width, (at + count) * width);
      return new ReferenceTensor(dtype, [count, ...rest], window, storage);
    },
    reshape(tensor, shape) {
      const { dtype, data, storage } = any(tensor);
      if (sizeOf(shape) !== data.length) {
        throw new RangeError(
          `Cannot reshape as the new shape must hold ${data.length} numbers: current values are ` +
            `${shapeText(tensor)} and [${shape.join(", ")}]`,
        );
      }
      return new ReferenceTensor(dtype, [...shape], data, storage);
    },
  };
}

/** Numbers in, out and across. */
function transfers(
  { any }: Reach,
): Pick<Device, "write" | "read" | "fill" | "copy"> {
  return {
    write: (tensor, data, at = 0) => writeTo(any(tensor), data, at),
    // Async, so that a tensor of another device rejects as it would where reading takes time.
    read: async (tensor) => await Promise.resolve(any(tensor).data.slice()),
    fill(tensor, value) {
      const { data } = any(tensor);
      store(data, new Float64Array(data.length).fill(value), 0);
    },
    copy(x, out) {
      const [from, to] = [any(x), any(out)];
      if (from.dtype !== to.dtype || from.data.length !== to.data.length) {
        throw new RangeError(
          `Cannot copy as both must be of one type and size: current values are ` +
            `${shapeText(x)} and ${shapeText(out)}`,
        );
      }
      to.data.set(from.data);
    },
  };
}

function writeTo(tensor: ReferenceTensor, data: Numbers | Uint16Array, at: number): void {
  if (!Number.isInteger(at) || at < 0 || at + data.length > tensor.data.length) {
    throw new RangeError(
      `Cannot write ${data.length} numbers from element ${at} on as the tensor must have room for ` +
        `them: current value is ${shapeText(tensor)}`,
    );
  }
  if (data instanceof Uint16Array && tensor.dtype !== "f16") {
    throw new TypeError(
      `Cannot write 16-bit patterns as the tensor must be f16: current value is ${tensor.dtype}`,
    );
  }
  store(tensor.data, data, at);
}
