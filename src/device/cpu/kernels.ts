/** Which build of the kernels this engine runs best, and its compiled module. */

import * as builds from "../../../build/kernels.ts";
import { DeviceError } from "../device_error.ts";

/** `relaxed` may fuse a product and a sum into one rounding; `simd` never does. */
export type Build = "simd" | "relaxed";

/** `(module (func (drop (i8x16.splat (i32.const 0)))))` */
const SIMD = [65, 0, 253, 15, 26];
/** `(module (func (drop (f32x4.relaxed_madd …))))`, each operand `i8x16.splat (i32.const 0)`. */
const RELAXED_SIMD = [65, 0, 253, 15, 65, 0, 253, 15, 65, 0, 253, 15, 253, 133, 2, 26];

/** The kind of a memory that threads share, in place of a module's own: all else is the same. */
const SHARED = 3;

/** Whether the engine takes a function with these instructions. */
function runs(body: readonly number[]): boolean {
  const types = [1, 4, 1, 96, 0, 0];
  const functions = [3, 2, 1, 0];
  const code = [10, body.length + 4, 1, body.length + 2, 0, ...body, 11];
  const header = [0, 97, 115, 109, 1, 0, 0, 0];
  return WebAssembly.validate(Uint8Array.from([...header, ...types, ...functions, ...code]));
}

/** The builds that this engine runs, best first. */
export function availableBuilds(): Build[] {
  if (runs(RELAXED_SIMD)) return ["relaxed", "simd"];
  return runs(SIMD) ? ["simd"] : [];
}

/** Whether several threads can share a memory here. */
export function threadsAvailable(): boolean {
  return typeof SharedArrayBuffer === "function" && typeof Worker === "function";
}

/** Compiles a build. @throws {DeviceError} If this engine does not run it. */
export async function compileKernels(build: Build, shared: boolean): Promise<WebAssembly.Module> {
  if (!availableBuilds().includes(build)) {
    throw new DeviceError(
      `Cannot run the "${build}" build of the kernels as this engine lacks its instructions`,
    );
  }
  const { packed, sharedAt } = builds[build];
  const wasm = await unpack(packed);
  if (shared) new Uint8Array(wasm)[sharedAt] = SHARED;
  return await WebAssembly.compile(wasm);
}

/** Undoes what scripts/build.ts does to fit kernels into a text. */
async function unpack(text: string): Promise<ArrayBuffer> {
  const packed = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return await new Response(stream).arrayBuffer();
}
