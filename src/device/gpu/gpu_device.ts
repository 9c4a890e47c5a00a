import type { Device, Tensor } from "../device.ts";
import { DeviceError } from "../device_error.ts";
import { adamW } from "./adam_w.ts";
import { type GpuDeviceOptions, type OpenAdapter, openAdapter, requestAdapter } from "./adapter.ts";
import { add } from "./add.ts";
import { loadBlocks, sealBlocks } from "./block_memory.ts";
import { blockPool } from "./block_pool.ts";
import { blocks } from "./blocks.ts";
import { chooseBlocks } from "./choose_blocks.ts";
import { crossEntropy, crossEntropyBackward } from "./cross_entropy.ts";
import { fill } from "./fill.ts";
import { gather, gatherBackward } from "./gather.ts";
import { createGpuHost, type WholeHost } from "./gpu_host.ts";
import { infiniAttention, infiniRead, infiniWrite } from "./infini.ts";
import { infiniAttentionBackward } from "./infini_backward.ts";
import { joinRows, joinRowsBackward } from "./join_rows.ts";
import { landmarkAttention } from "./landmark_attention.ts";
import { landmarkAttentionBackward } from "./landmark_attention_backward.ts";
import { landmarkScores } from "./landmark_scores.ts";
import { matmul } from "./matmul.ts";
import { hasMatmulHalf } from "./matmul_half.ts";
import { meanRows, meanRowsBackward } from "./mean_rows.ts";
import { memoryAttention } from "./memory_attention.ts";
import { mixedLandmarkAttention, mixedLandmarkAttentionBackward, mixedMatmul } from "./mixed.ts";
import { placeBlocks } from "./place_blocks.ts";
import type { KernelTime } from "./profiler.ts";
import { rmsNorm, rmsNormBackward } from "./rms_norm.ts";
import { rope } from "./rope.ts";
import { sample } from "./sample.ts";
import { sumSquares } from "./sum_squares.ts";
import { swiGlu, swiGluBackward } from "./swi_glu.ts";
import { copy, read, reshape, view, write } from "./transfer.ts";
import { windowAttention } from "./window_attention.ts";
import { windowAttentionBackward } from "./window_attention_backward.ts";

export type { GpuDeviceOptions } from "./adapter.ts";

/** A GPU as a device. */
export interface GpuDevice extends Device {
  /** GPU time since the last call, by kernel, of a device opened with `profile`. */
  profile(): Promise<Map<string, KernelTime>>;
}

/** Opens a GPU. @throws {DeviceError} If there is none, or it lacks what kernels need. */
export async function openGpuDevice(options: GpuDeviceOptions = {}): Promise<GpuDevice> {
  const adapter = await requestAdapter(options);
  if (!adapter) {
    throw new DeviceError(
      "Cannot open a GPU as there must be an adapter, a GPU with a Vulkan, Metal or D3D12 driver: " +
        "none was found",
    );
  }
  const open = await openAdapter(adapter);
  return gpuDeviceOn(createGpuHost(open, options.profile ?? false), open, options.precision);
}

/** The operations that depend on the precision. */
const PRECISIONS = {
  f32: { matmul, landmarkAttention, landmarkAttentionBackward },
  mixed: {
    matmul: mixedMatmul,
    landmarkAttention: mixedLandmarkAttention,
    landmarkAttentionBackward: mixedLandmarkAttentionBackward,
  },
};

/** A host as a device. @throws {DeviceError} If it has no tensor cores and precision is mixed. */
export function gpuDeviceOn(
  host: WholeHost,
  { name, details }: Pick<OpenAdapter, "name" | "details">,
  precision: "f32" | "mixed" = "f32",
): GpuDevice {
  if (precision === "mixed" && !hasMatmulHalf(host)) {
    host[Symbol.dispose]();
    throw new DeviceError(
      `Cannot open ${name} for mixed precision as its WebGPU must have subgroup matrices and f16, ` +
        "as Dawn has for tensor cores: this one has none",
    );
  }
  const precise = PRECISIONS[precision];
  const on =
    <Args extends unknown[], Result>(launcher: (host: WholeHost, ...args: Args) => Result) =>
    (...args: Args): Result => launcher(host, ...args);
  return {
    info: {
      ...{ kind: "gpu", name, threads: 1, remote: true },
      tensorBytes: host.limits.tensorBytes,
      details: { ...details, precision },
    },
    get bytes() {
      return host.bytes;
    },
    tensor: (shape, options): Tensor => host.tensor(shape, options),
    view: on(view),
    reshape: on(reshape),
    write: on(write),
    read: on(read),
    fill: on(fill),
    copy: on(copy),

    matmul: on(precise.matmul),
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
    landmarkAttention: on(precise.landmarkAttention),
    landmarkAttentionBackward: on(precise.landmarkAttentionBackward),
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
    async profile() {
      host.commands.flush();
      return await host.profiler?.take() ?? new Map();
    },
    [Symbol.dispose]: () => host[Symbol.dispose](),
  };
}
