import { DeviceError } from "../device_error.ts";
import type { GpuFeatures, GpuLimits } from "./host.ts";

/** Options of {@linkcode openGpuDevice}. */
export interface GpuDeviceOptions {
  /** A standard GPU object: a browser's, Deno's, or Dawn's. @default {navigator.gpu} */
  gpu?: GPU | undefined;
  /** Which adapter, where there are several. @default {"high-performance"} */
  powerPreference?: GPUPowerPreference | undefined;
  /**
   * What products and attention are made of: f32, or halves that tensor cores multiply and sum in
   * f32, where a shape allows it. Tensors, weights among them, are f32 either way. "mixed" needs
   * tensor cores in WebGPU, which Dawn has. @default {"f32"}
   */
  precision?: "f32" | "mixed" | undefined;
  /** Measure every kernel's time, at the cost of some of it. @default {false} */
  profile?: boolean | undefined;
}

/** A device of an adapter, and what is known of both. */
export interface OpenAdapter {
  readonly device: GPUDevice;
  readonly name: string;
  /** Whether the CPU plays the GPU. */
  readonly software: boolean;
  readonly limits: GpuLimits;
  readonly features: GpuFeatures;
  readonly details: Readonly<Record<string, string | number | boolean>>;
}

/** What kernels need at least: landmark attention with foreign blocks and any plan binds nine. */
const NEEDED = { maxStorageBuffersPerShaderStage: 9, maxComputeWorkgroupStorageSize: 16384 };

/** Taken as large as the adapter has them. */
const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupsPerDimension",
] as const;

const MATRIX = "chromium-experimental-subgroup-matrix";
const FEATURES = ["shader-f16", "subgroups", "timestamp-query", MATRIX];

/** The adapter, if there is one; asking must not fail where there is none. */
export async function requestAdapter(
  { gpu = globalThis.navigator?.gpu, powerPreference = "high-performance" }: GpuDeviceOptions,
): Promise<GPUAdapter | undefined> {
  try {
    return await gpu?.requestAdapter({ powerPreference }) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Whether the adapter is a program on the CPU, which our CPU kernels outrun. */
export function isSoftware({ info }: GPUAdapter): boolean {
  const { isFallbackAdapter = false } = info as { isFallbackAdapter?: boolean };
  const text = `${info.description} ${info.vendor} ${info.architecture} ${info.device}`;
  return isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|basic render/i.test(text);
}

/**
 * Deno 2.9 grants subgroups without listing them, and takes `enable subgroups;` for a mistake in a
 * kernel that uses them.
 */
function hidesSubgroups({ features }: GPUAdapter): boolean {
  const { userAgent = "" } = globalThis.navigator ?? {};
  return userAgent.startsWith("Deno/") && !features.has("subgroups");
}

/** Opens the adapter's device. @throws {DeviceError} If it lacks what kernels need. */
export async function openAdapter(adapter: GPUAdapter): Promise<OpenAdapter> {
  for (const [limit, least] of Object.entries(NEEDED)) {
    const value = adapter.limits[limit as keyof typeof NEEDED];
    if (value >= least) continue;
    throw new DeviceError(
      `Cannot open the GPU as its ${limit} must be at least ${least}: current value is ${value}`,
    );
  }
  const requiredLimits: Record<string, number> = {};
  for (const limit of LIMITS) requiredLimits[limit] = adapter.limits[limit];
  const listed = FEATURES.filter((name) => adapter.features.has(name as GPUFeatureName));
  const request = (features: readonly string[]): Promise<GPUDevice> =>
    adapter.requestDevice({
      label: "cairn",
      requiredLimits,
      requiredFeatures: features as GPUFeatureName[],
    });
  const hidden = hidesSubgroups(adapter);
  let device: GPUDevice;
  try {
    device = hidden
      ? await request([...listed, "subgroups"]).catch(() => request(listed))
      : await request(listed);
  } catch (cause) {
    throw new DeviceError(`Cannot open the GPU: ${cause}`, { cause });
  }
  const { limits } = device;
  const tensorBytes = Math.min(limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const has = (name: string): boolean => device.features.has(name as GPUFeatureName);
  const { info } = adapter;
  const sizes = info as { subgroupMinSize?: number; subgroupMaxSize?: number };
  const software = isSoftware(adapter);
  const name = info.description || [info.vendor, info.architecture, info.device].join(" ").trim();
  return {
    device,
    software,
    name,
    limits: {
      workgroupBytes: limits.maxComputeWorkgroupStorageSize,
      workgroupThreads: limits.maxComputeInvocationsPerWorkgroup,
      groups: limits.maxComputeWorkgroupsPerDimension,
      tensorBytes: Math.floor(tensorBytes / 256) * 256,
      tensors: limits.maxStorageBuffersPerShaderStage,
    },
    features: {
      f16: has("shader-f16"),
      subgroups: has("subgroups")
        ? {
          enable: hidden ? "" : "subgroups",
          min: sizes.subgroupMinSize ?? 4,
          max: sizes.subgroupMaxSize ?? 128,
        }
        : undefined,
      subgroupMatrix: has(MATRIX),
      rolled: /llvmpipe/i.test(name), // SwiftShader takes what is spelled out, so that both are tested
      timestamps: has("timestamp-query"),
    },
    details: {
      software,
      f16: has("shader-f16"),
      subgroups: has("subgroups"),
      subgroupMatrix: has(MATRIX),
      timestamps: has("timestamp-query"),
      workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    },
  };
}
