import { type CpuDeviceOptions, openCpuDevice } from "./cpu/cpu_device.ts";
import type { Device } from "./device.ts";
import { DeviceError } from "./device_error.ts";
import { referenceDevice } from "./reference/reference_device.ts";

export type { CpuDeviceOptions } from "./cpu/cpu_device.ts";
export type { Build } from "./cpu/kernels.ts";

/** Which device to open; `auto` takes the fastest there is, and its `info` says which. */
export type DeviceName = "auto" | "cpu" | "gpu" | "reference";

/** Options of {@linkcode openDevice}; those beside `device` are the CPU's. */
export interface OpenDeviceOptions extends CpuDeviceOptions {
  /** Which one. @default {"auto"} */
  device?: DeviceName | undefined;
}

/**
 * Opens a device.
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
 * @throws {DeviceError} If the named device is missing: no other is taken instead.
 */
export async function openDevice(options: OpenDeviceOptions = {}): Promise<Device> {
  const { device = "auto", ...cpu } = options;
  switch (device) {
    case "auto":
    case "cpu":
      return await openCpuDevice(cpu);
    case "reference":
      return referenceDevice();
    case "gpu":
      throw new DeviceError("Cannot open a GPU device as this version has no GPU kernels");
    default:
      device satisfies never;
      throw new RangeError(
        `Cannot open a device as its name must be auto, cpu, gpu or reference: ` +
          `current value is ${device}`,
      );
  }
}
