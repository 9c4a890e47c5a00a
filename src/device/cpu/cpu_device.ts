import type { Device, Tensor } from "../device.ts";
import { DeviceError } from "../device_error.ts";
import { adamW } from "./adam_w.ts";
import { add } from "./add.ts";
import {
  blockPool,
  chooseBlocks,
  landmarkScores,
  loadBlocks,
  memoryAttention,
  placeBlocks,
  sealBlocks,
} from "./block_memory.ts";
import { crossEntropy, crossEntropyBackward } from "./cross_entropy.ts";
import { copy, fill } from "./fill.ts";
import { gather, gatherBackward } from "./gather.ts";
import { MEMORY_BYTES } from "./heap.ts";
import type { Host } from "./host.ts";
import { infiniAttention, infiniAttentionBackward, infiniRead, infiniWrite } from "./infini.ts";
import { joinRows, joinRowsBackward } from "./join_rows.ts";
import { availableBuilds, type Build, compileKernels, threadsAvailable } from "./kernels.ts";
import { blocks, landmarkAttention, landmarkAttentionBackward } from "./landmark_attention.ts";
import { matmul } from "./matmul.ts";
import { meanRows, meanRowsBackward } from "./mean_rows.ts";
import { rmsNorm, rmsNormBackward } from "./rms_norm.ts";
import { rope } from "./rope.ts";
import { sample } from "./sample.ts";
import { sumSquares } from "./sum_squares.ts";
import { swiGlu, swiGluBackward } from "./swi_glu.ts";
import { read, reshape, view, write } from "./transfer.ts";
import { windowAttention, windowAttentionBackward } from "./window_attention.ts";
import { createHost, type WasmHost } from "./wasm_host.ts";

/** Options of {@linkcode openCpuDevice}. */
export interface CpuDeviceOptions {
  /** How many threads compute. @default {navigator.hardwareConcurrency, at most 16; 1 where threads cannot share memory} */
  threads?: number | undefined;
  /** Which build of the kernels. @default {"relaxed" where the engine runs it} */
  build?: Build | undefined;
  /**
   * The kernels as a compiled module (build/simd.wasm or build/relaxed.wasm), for engines that do
   * not compile at run time. One thread.
   */
  module?: WebAssembly.Module | undefined;
}

/** More threads than this are more often in each other's way than not. */
const MAX_THREADS = 16;

/**
 * Opens the CPU as a device. Its threads keep the process alive until it is disposed of.
 *
 * @throws {DeviceError} If the engine lacks what the options name.
 */
export async function openCpuDevice(options: CpuDeviceOptions = {}): Promise<Device> {
  const builds = availableBuilds();
  const build = options.build ?? builds[0] ?? "simd";
  const threads = threadsFor(options);
  const shared = threads > 1;
  const module = options.module ?? await compileKernels(build, shared);
  const host = await createHost(module, { threads, shared });
  const name = options.module ? "injected module" : build;
  return cpuDevice(host, name, { builds: builds.join(", "), shared });
}

/** The number of threads to take. */
function threadsFor({ threads, module }: CpuDeviceOptions): number {
  const most = module || !threadsAvailable() ? 1 : MAX_THREADS;
  if (threads === undefined) return Math.min(most, globalThis.navigator?.hardwareConcurrency ?? 1);
  if (!Number.isInteger(threads) || threads < 1 || threads > 256) {
    throw new RangeError(
      `Cannot open a CPU device as threads must be an integer in [1, 256]: ` +
        `current value is ${threads}`,
    );
  }
  if (threads > 1 && most === 1) {
    throw new DeviceError(
      `Cannot run kernels on ${threads} threads as ` +
        (module ? "an injected module has one" : "threads cannot share memory here"),
    );
  }
  return threads;
}

/** The operations of a device, on a host. */
export function cpuDevice(
  host: WasmHost,
  build: string,
  details: Readonly<Record<string, string | boolean>>,
): Device {
  const on =
    <Args extends unknown[], Result>(launcher: (host: Host, ...args: Args) => Result) =>
    (...args: Args): Result => launcher(host, ...args);
  return {
    info: {
      kind: "cpu",
      name: `WebAssembly (${build})`,
      threads: host.threads,
      remote: false,
      tensorBytes: MEMORY_BYTES,
      details,
    },
    get bytes() {
      return host.bytes;
    },
    tensor(shape, { dtype, data, zero } = {}) {
      const tensor: Tensor = host.tensor(shape, dtype, data === undefined && zero);
      if (data === undefined) return tensor;
      try {
        write(host, tensor, data);
      } catch (error) {
        tensor[Symbol.dispose]();
        throw error;
      }
      return tensor;
    },
    view: on(view),
    reshape: on(reshape),
    write: on(write),
    // Async, so that a wrong tensor rejects, as it does where reading takes time.
    read: async (tensor) => await Promise.resolve(read(host, tensor)),
    fill: on(fill),
    copy: on(copy),

    matmul: on(matmul),
    add: on(add),
    gather: on(gather),
    gatherBackward: on(gatherBackward),
    meanRows: on(meanRows),
    meanRowsBackward: on(meanRowsBackward),
    rmsNorm: on(rmsNorm),
    rmsNormBackward: on(rmsNormBackward),
    rope: on(rope),
    swiGlu: on(swiGlu),
    swiGluBackward: on(swiGluBackward),
    crossEntropy: on(crossEntropy),
    crossEntropyBackward: on(crossEntropyBackward),
    sample: on(sample),
    sumSquares: on(sumSquares),
    adamW: on(adamW),

    blocks: on(blocks),
    landmarkAttention: on(landmarkAttention),
    landmarkAttentionBackward: on(landmarkAttentionBackward),
    sealBlocks: on(sealBlocks),
    blockPool: on(blockPool),
    loadBlocks: on(loadBlocks),
    landmarkScores: on(landmarkScores),
    chooseBlocks: on(chooseBlocks),
    placeBlocks: on(placeBlocks),
    memoryAttention: on(memoryAttention),
    infiniAttention: on(infiniAttention),
    infiniAttentionBackward: on(infiniAttentionBackward),
    infiniRead: on(infiniRead),
    infiniWrite: on(infiniWrite),
    windowAttention: on(windowAttention),
    windowAttentionBackward: on(windowAttentionBackward),
    joinRows: on(joinRows),
    joinRowsBackward: on(joinRowsBackward),
    [Symbol.dispose]: () => host[Symbol.dispose](),
  };
}
