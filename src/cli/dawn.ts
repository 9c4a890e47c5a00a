/** Dawn, Chrome's WebGPU, as a native module for Deno: faster at reading back, and with tensor cores. */

import { createRequire } from "node:module";
import { resolve } from "node:path";
import { DeviceError } from "../device/device_error.ts";
import { slowNativeTicks } from "./dawn_ticks.ts";

const PACKAGE = "npm:webgpu@0.6.2";
const FEATURES = ["allow_unsafe_apis", "vulkan_enable_f16_on_nvidia"];
/** Promises of the module do not keep the process alive; a timer does. */
const ALIVE_MS = 1000;

/** Options of {@linkcode openDawn}. */
export interface DawnOptions {
  /**
   * Leave out the bounds checks of kernels, which is faster: a kernel with a mistake then reads and
   * writes what is not its own. @default {false}
   */
  unchecked?: boolean;
}

/** Dawn's WebGPU, for as long as it is not disposed of. */
export interface Dawn extends Disposable {
  readonly gpu: GPU;
}

interface DawnModule {
  create(options: readonly string[]): GPU;
}

/** What must not be collected while adapters and devices of it are in use. */
const held = new Set<GPU>();

/**
 * Loads Dawn: the file that DAWN_NODE names, or else the npm package, which is fetched the first
 * time it is asked for.
 *
 * @throws {DeviceError} If it cannot be loaded.
 */
export async function openDawn({ unchecked = false }: DawnOptions = {}): Promise<Dawn> {
  const named = Deno.env.get("DAWN_NODE");
  const path = named === undefined ? await packagePath() : resolve(named);
  const features = unchecked ? [...FEATURES, "disable_robustness"] : FEATURES;
  let gpu: GPU;
  try {
    const module: DawnModule = createRequire(import.meta.url)(path);
    gpu = module.create([`enable-dawn-features=${features.join(",")}`]);
  } catch (cause) {
    throw new DeviceError(`Cannot load Dawn from "${path}": ${messageOf(cause)}`, { cause });
  }
  held.add(gpu);
  const timer = setInterval(() => {}, ALIVE_MS);
  const ticks = slowNativeTicks();
  return {
    gpu,
    [Symbol.dispose]() {
      clearInterval(timer);
      ticks[Symbol.dispose]();
      held.delete(gpu);
    },
  };
}

/**
 * Where the package's native module lies. It is asked for in a process of its own, far from
 * deno.json and its lock: whatever those name is downloaded by everyone, and this is large.
 */
async function packagePath(): Promise<string> {
  const script = `import Module from "node:module";
    Module._extensions[".node"] = (module, path) => {
      console.log(path);
      module.exports = { globals: {} };
    };
    await import("${PACKAGE}");`;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", "--no-config", "--no-lock", "--quiet", script],
  }).output();
  if (code === 0) return new TextDecoder().decode(stdout).trim();
  throw new DeviceError(
    `Cannot load Dawn as ${PACKAGE} must be there, or DAWN_NODE must name its native module: ` +
      new TextDecoder().decode(stderr).trim().split("\n").at(-1),
  );
}

/** What follows the first line is advice for those who install packages. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : `${error}`).split("\n")[0];
}
