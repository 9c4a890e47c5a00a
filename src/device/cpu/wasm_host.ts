import { sizeOf, type Tensor } from "../device.ts";
import { checkInteger, shapeText } from "../shapes.ts";
import { CpuTensor, SIZE_BYTES } from "./cpu_tensor.ts";
import { createHeap } from "./heap.ts";
import type { Host } from "./host.ts";
import { type Kernel, startWorkers } from "./workers.ts";

/** Work (in elements touched) that is not worth sharing with threads that are awake, or asleep. */
const SMALL = 2 ** 14;
const SMALL_ASLEEP = 2 ** 18;

/** Work in a part, at least, and parts for each thread, at most. */
const PART = 2 ** 13;
const PARTS_PER_THREAD = 8;

/** A {@linkcode Host}, as its device sees it. */
export interface WasmHost extends Host, Disposable {
  /** Bytes that tensors and other lasting things hold now. */
  readonly bytes: number;
}

/** Makes the memory, the heap in it, and `threads − 1` workers beside this thread. */
export async function createHost(
  module: WebAssembly.Module,
  { threads, shared }: { threads: number; shared: boolean },
): Promise<WasmHost> {
  const memory = new WebAssembly.Memory({ initial: 16, maximum: 65536, shared });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const names = WebAssembly.Module.exports(module).map(({ name }) => name);
  const kernels = new Map(
    names.map((name, index) => [name, { index, kernel: exports[name] as Kernel }]),
  );
  const heap = createHeap(memory, lookUp("heapBase").kernel());
  const workers = threads > 1 ? await startWorkers(module, memory, threads) : undefined;
  let work = { address: 0, bytes: 0 };
  let disposed = false;

  function lookUp(name: string): { index: number; kernel: Kernel } {
    const found = kernels.get(name);
    if (!found) throw new TypeError(`Cannot run kernel "${name}" as the module has none so named`);
    return found;
  }

  const host: WasmHost = {
    threads,
    partsOf(work) {
      if (!workers || work < (workers.awake ? SMALL : SMALL_ASLEEP)) return 1;
      return threads * Math.max(1, Math.min(PARTS_PER_THREAD, Math.floor(work / PART / threads)));
    },
    get bytes() {
      return heap.bytes - work.bytes;
    },
    alloc: heap.alloc,
    free: heap.free,
    f32: (address, length) => new Float32Array(memory.buffer, address, length),
    i32: (address, length) => new Int32Array(memory.buffer, address, length),
    u16: (address, length) => new Uint16Array(memory.buffer, address, length),
    u8: (address, length) => new Uint8Array(memory.buffer, address, length),
    tensor(shape, dtype = "f32", zero = true) {
      for (const length of shape) checkInteger("tensor", "every axis", length, [0, 2 ** 32]);
      const bytes = sizeOf(shape) * SIZE_BYTES[dtype];
      const address = heap.alloc(bytes);
      if (zero) lookUp("fill").kernel(0, 1, address, bytes, 0);
      const storage = { owner: host, freed: false };
      return new CpuTensor(dtype, [...shape], storage, address, () => heap.free(address));
    },
    address(tensor) {
      if (disposed) throw new TypeError("Cannot use a device that was disposed");
      return owned(host, tensor).address;
    },
    run(parts, name, ...args) {
      const { index, kernel } = lookUp(name);
      if (workers) workers.run(kernel, index, parts, args);
      else for (let part = 0; part < parts; part++) kernel(part, parts, ...args);
    },
    call: (name, ...args) => lookUp(name).kernel(...args),
    scratch(bytes) {
      if (bytes > work.bytes) {
        if (work.bytes > 0) heap.free(work.address);
        const before = heap.bytes;
        work = { address: 0, bytes: 0 };
        const address = heap.alloc(bytes);
        work = { address, bytes: heap.bytes - before };
      }
      return work.address;
    },
    [Symbol.dispose]() {
      if (!disposed) workers?.[Symbol.dispose]();
      disposed = true;
    },
  };
  return host;
}

/** The tensor, if it is this host's and alive. */
export function owned(host: Host, tensor: Tensor): CpuTensor {
  if (!(tensor instanceof CpuTensor) || tensor.storage.owner !== host) {
    throw new TypeError(`Cannot use tensor ${shapeText(tensor)} as it belongs to another device`);
  }
  if (tensor.storage.freed) {
    throw new TypeError(`Cannot use tensor ${shapeText(tensor)} as it was freed`);
  }
  return tensor;
}
