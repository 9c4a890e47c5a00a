import { type CpuDeviceOptions, openCpuDevice } from "./cpu/cpu_device.ts";
import type { Device } from "./device.ts";
import { DeviceError } from "./device_error.ts";
import { type GpuDeviceOptions, isSoftware, requestAdapter } from "./gpu/adapter.ts";

export type { CpuDeviceOptions } from "./cpu/cpu_device.ts";
export type { Build } from "./cpu/kernels.ts";

/** Which device to open; `auto` takes the fastest there is, and its `info` says which. */
export type DeviceName = "auto" | "cpu" | "gpu" | "reference";

/** Options of {@linkcode openDevice}; those beside `device`, `gpu` and `precision` are the CPU's. */
export interface OpenDeviceOptions extends CpuDeviceOptions {
  /** Which one. @default {"auto"} */
  device?: DeviceName | undefined;
  /** A standard WebGPU object, where it is not the engine's own. @default {navigator.gpu} */
  gpu?: GPU | undefined;
  /**
   * Of the GPU: "mixed" makes products and attention of halves, on tensor cores, and leaves all tensors
   * f32. Only with `device: "gpu"`. @default {"f32"}
   */
  precision?: "f32" | "mixed" | undefined;
}

/**
 * Opens a device. `auto` takes a GPU if there is one, but none that a program on the CPU plays, and
 * otherwise the CPU.
 *
 * @example Usage
 * ```ts
 * import { openDevice } from "@cairn/runtime";
 * import { deepEqual } from "node:assert/strict";
 *
 * using device = await openDevice({ device: "cpu" });
 * using x = device.tensor([2], { data: [1, 2] });
 * device.add(x, x, x);
 * deepEqual(await device.read(x), Float32Array.of(2, 4));
 * ```
 *
 * @throws {DeviceError} If the named device is missing, or lacks the precision: no other is taken
 *   instead.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { device = "auto", gpu: _gpu, precision, ...cpu } = options;
  if (precision === "mixed" && device !== "gpu") {
    throw new DeviceError(
      `Cannot open a device for mixed precision as it must be "gpu": current value is "${device}"`,
    );
  }
  switch (device) {
    case "auto":
      return await openHardwareGpu(options) ?? await openCpuDevice(cpu);
    case "cpu":
      return await openCpuDevice(cpu);
    case "reference":
      return (await import("./reference/reference_device.ts")).referenceDevice();
    case "gpu":
      return await openGpu(options);
    default:
      device satisfies never;
      throw new RangeError(
        `Cannot open a device as its name must be auto, cpu, gpu or reference: ` +
          `current value is ${device}`,
      );
  }
}

/** A GPU that is worth taking unasked. Whoever brings kernels for the CPU wants the CPU. */
async function openHardwareGpu({ gpu, module }: OpenDeviceOptions): Promise<Device | undefined> {
  if (module) return undefined;
  const adapter = await requestAdapter({ gpu });
  if (!adapter || isSoftware(adapter)) return undefined;
  try {
    return await openGpu({ gpu });
  } catch (error) {
    if (error instanceof DeviceError) return undefined;
    throw error;
  }
}

/** Who computes on the CPU need not load the GPU's kernels. */
async function openGpu(options: GpuDeviceOptions): Promise<Device> {
  const { openGpuDevice } = await import("./gpu/gpu_device.ts");
  return await openGpuDevice({ gpu: options.gpu, precision: options.precision });
}
