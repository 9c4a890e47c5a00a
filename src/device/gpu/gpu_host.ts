/** The host behind the launchers: tensors in pooled buffers, kernels in the order of the calls. */

import { type DType, type Numbers, sizeOf, type Tensor } from "../device.ts";
import { shapeText } from "../shapes.ts";
import type { OpenAdapter } from "./adapter.ts";
import { type BufferPool, bufferPool } from "./buffers.ts";
import { type Commands, createCommands, PARAM_BYTES } from "./commands.ts";
import {
  derivedOf,
  GpuTensor,
  numbersChanged,
  owned,
  SIZE_BYTES,
  type Storage,
} from "./gpu_tensor.ts";
import type { GpuHost, Launch, Param } from "./host.ts";
import { type Kernel, pipelineCache } from "./kernel.ts";
import { createProfiler, type Profiler } from "./profiler.ts";
import { write } from "./transfer.ts";
import { watch } from "./watch.ts";
import { oweZeros, payZeros, takeZeros } from "./zeros.ts";

/** A host with what only the device itself uses. */
export interface WholeHost extends GpuHost, Disposable {
  readonly bytes: number;
  readonly commands: Commands;
  readonly profiler: Profiler | undefined;
  /** The tensor as it lies in memory. */
  inside(tensor: Tensor): GpuTensor;
  /** The host's copy of integers, and what was made of it, is no longer what the tensor holds. */
  touched(tensor: GpuTensor): void;
  /** Its numbers are going to be read, or written in part: zeros that are owed are written. */
  settle(tensor: GpuTensor): void;
}

const NONE: readonly Param[] = [];

/** A host on an open adapter. */
export function createGpuHost(open: OpenAdapter, profile: boolean): WholeHost {
  const { device, limits, features } = open;
  const guard = watch(device, open.name, () => buffers.total);
  const profiler = profile && features.timestamps ? createProfiler(device) : undefined;
  const buffers = bufferPool(guard.buffer, limits.tensorBytes, () => commands.batch);
  const commands = createCommands(device, guard, profiler);
  const ready = pipelineCache(device, PARAM_BYTES);
  const parts: Parts = { buffers, commands, limit: limits.tensorBytes };
  const inside = (tensor: Tensor): GpuTensor => owned(host, tensor);
  const touched = ({ storage }: GpuTensor): void => {
    storage.shadow = undefined;
    numbersChanged(storage);
  };
  const host: WholeHost = {
    limits,
    features,
    commands,
    profiler,
    get bytes() {
      return buffers.bytes;
    },
    tensor(shape, options = {}) {
      guard.check();
      return makeTensor(host, parts, shape, options);
    },
    inside,
    touched,
    settle: (tensor) => payZeros(host, tensor),
    zeroLater(tensor) {
      guard.check();
      const whole = inside(tensor);
      touched(whole);
      return oweZeros(whole);
    },
    takesZeros: (outs, inputs) => takeZeros(host, outs, inputs),
    check: (tensor) => void inside(tensor),
    shares: (a, b) => inside(a).storage === inside(b).storage,
    offset: (tensor) => inside(tensor).at,
    known(tensor) {
      const { storage: { shadow }, at, shape } = inside(tensor);
      return shadow?.subarray(at, at + sizeOf(shape));
    },
    derived: (tensor, name, make) => derivedOf(inside(tensor), name, make),
    run(kernel, launch) {
      const pipeline = ready(kernel, launch.constants ?? {});
      const { writes } = pipeline;
      const copies: Tensor[] = [];
      try {
        const tensors = apart(host, kernel, launch, writes, copies);
        for (const tensor of tensors) host.settle(tensor);
        commands.dispatch(kernel.name, pipeline, tensors, launch.params ?? NONE, launch.groups);
        for (let i = 0; i < writes.length; i++) if (writes[i]) touched(tensors[i]);
      } finally {
        for (const copy of copies) copy[Symbol.dispose]();
      }
    },
    write: (tensor, data) => write(host, tensor, data),
    copy(from, to) {
      const [source, target] = [inside(from), inside(to)];
      host.settle(source);
      host.settle(target);
      const size = SIZE_BYTES[from.dtype];
      const bytes = Math.ceil(sizeOf(from.shape) * size / 4) * 4;
      commands.copy(
        source.storage.buffer,
        source.at * size,
        target.storage.buffer,
        target.at * size,
        bytes,
      );
      touched(target);
    },
    [Symbol.dispose]() {
      guard.close();
      buffers[Symbol.dispose]();
      device.destroy();
    },
  };
  return host;
}

interface Parts {
  readonly buffers: BufferPool;
  readonly commands: Commands;
  readonly limit: number;
}

function makeTensor(
  host: WholeHost,
  { buffers, commands, limit }: Parts,
  shape: readonly number[],
  options: { dtype?: DType; data?: Numbers | Uint16Array; zero?: boolean },
): Tensor {
  const { dtype = "f32", data, zero = true } = options;
  const size = sizeOf(shape);
  const bytes = Math.max(4, Math.ceil(size * SIZE_BYTES[dtype] / 4) * 4);
  if (!shape.every((length) => Number.isInteger(length) && length >= 0) || bytes > limit) {
    throw new RangeError(
      `Cannot make a tensor as its axes must be integers and its bytes at most ${limit}, what ` +
        `the adapter binds at once: current value is ${shapeText({ dtype, shape })}`,
    );
  }
  const filled = data !== undefined && data.length === size;
  const buffer = buffers.take(bytes, filled ? { idle: commands.batch } : undefined);
  const storage: Storage = {
    ...{ owner: host, buffer, bytes: size * SIZE_BYTES[dtype], freed: false },
    owesZeros: !buffer.fresh && !filled && zero,
    ...{ shadow: undefined, derived: undefined },
  };
  const tensor = new GpuTensor(dtype, [...shape], storage, 0, () => buffers.give(buffer));
  try {
    if (dtype === "i32" && (data !== undefined || zero)) storage.shadow = new Int32Array(size);
    if (data !== undefined) write(host, tensor, data);
    return tensor;
  } catch (error) {
    tensor[Symbol.dispose]();
    throw error;
  }
}

/** A launch's tensors; those it reads from a buffer that it writes are copies, which join `copies`. */
function apart(
  host: WholeHost,
  { name }: Kernel,
  { tensors }: Launch,
  writes: readonly boolean[],
  copies: Tensor[],
): readonly GpuTensor[] {
  if (tensors.length !== writes.length) {
    throw new RangeError(
      `Cannot run ${name} as it must be given ${writes.length} tensors: ` +
        `current value is ${tensors.length}`,
    );
  }
  const list = tensors.map((tensor) => owned(host, tensor));
  for (let i = 0; i < list.length; i++) {
    if (writes[i]) continue;
    for (let j = 0; j < list.length; j++) {
      if (!writes[j] || list[j].storage !== list[i].storage) continue;
      const { dtype, shape } = list[i];
      const aside = host.tensor(shape, { dtype, zero: false });
      copies.push(aside);
      host.copy(list[i], aside);
      list[i] = host.inside(aside);
      break;
    }
  }
  return list;
}
