/** From the command line's words to a device's options. */

import type { OpenDeviceOptions } from "../device/open.ts";
import type { CommonValues } from "./command.ts";
import { openDawn } from "./dawn.ts";

/** What the options name, open for as long as devices of it are in use. */
export interface OpenedOptions extends Disposable {
  readonly options: OpenDeviceOptions;
}

/** Reads `--device`, `--gpu`, `--precision` and `--threads`. @throws {DeviceError} If Dawn cannot be loaded. */
export async function deviceOptions(
  { device, gpu, precision, threads }: Pick<CommonValues, "device" | "gpu"> & Partial<CommonValues>,
): Promise<OpenedOptions> {
  const options = { device, precision, threads };
  const mayBeGpu = device === "gpu" || device === "auto";
  if (mayBeGpu) quieten();
  if (!mayBeGpu || gpu === "builtin") return { options, [Symbol.dispose]() {} };
  const dawn = await openDawn({ unchecked: gpu === "dawn-unchecked" });
  return {
    options: { ...options, gpu: dawn.gpu },
    [Symbol.dispose]: () => dawn[Symbol.dispose](),
  };
}

/**
 * Looking for a GPU must write nothing where there is none: OpenGL, which has no use here, is not
 * asked for one, and Mesa's choice of a device by the screen complains without a session.
 */
function quieten(): void {
  if (Deno.build.os !== "linux") return;
  if (!Deno.env.get("DENO_WEBGPU_BACKEND")) Deno.env.set("DENO_WEBGPU_BACKEND", "vulkan");
  if (!Deno.env.get("XDG_RUNTIME_DIR")) Deno.env.set("NODEVICE_SELECT", "1");
}
