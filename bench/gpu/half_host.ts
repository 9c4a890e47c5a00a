/** The GPU's host itself, for kernels that no device calls, and inputs that are halves. */

import type { Tensor } from "../../src/device/device.ts";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { createGpuHost, type WholeHost } from "../../src/device/gpu/gpu_host.ts";
import { read } from "../../src/device/gpu/transfer.ts";
import { floatsToHalves, halvesToFloats } from "../../src/half.ts";
import { emulateTensorCores } from "../../tests/emulated_tensor_cores.ts";
import { type Bench, gpuTime, noise, type Timing } from "./bench.ts";

/** A host that measures. `emulate`: what has no tensor cores plays them, to try the program. */
export async function openHost(bench: Bench): Promise<WholeHost> {
  const adapter = await requestAdapter({ gpu: bench.gpu });
  if (!adapter) throw new Error("Cannot measure as there must be an adapter: none was found");
  const host = createGpuHost(await openAdapter(adapter), true);
  return bench.emulate ? emulateTensorCores(host) : host;
}

/** GPU time of one run. */
export async function timeOn(host: WholeHost, bench: Bench, run: () => void): Promise<Timing> {
  const profile = async () => {
    host.commands.flush();
    return await host.profiler?.take() ?? new Map();
  };
  return await gpuTime({ profile }, bench, run);
}

/** The same noise as halves and as f32. */
export interface Halves extends Disposable {
  readonly half: Tensor;
  readonly whole: Tensor;
}

/** Noise that halves can hold. */
export function halvesOf(host: WholeHost, shape: readonly number[], seed: number): Halves {
  const length = shape.reduce((a, b) => a * b);
  const bits = floatsToHalves(noise(length, seed), new Uint16Array(length));
  const half = host.tensor(shape, { dtype: "f16", data: bits });
  const whole = host.tensor(shape, { data: halvesToFloats(bits, new Float32Array(length)) });
  return {
    half,
    whole,
    [Symbol.dispose]() {
      half[Symbol.dispose]();
      whole[Symbol.dispose]();
    },
  };
}

/** The numbers of a tensor. */
export async function numbersOf(host: WholeHost, tensor: Tensor): Promise<Float32Array> {
  return await read(host, tensor) as Float32Array;
}

/** What halves may be off by: each rounding is 2^-11 of a number. */
export const BOUND = 5e-3;

/** What a row says about a result. */
export function verdictOf(off: number): string {
  return `${off <= BOUND ? "right" : "WRONG"}, off by ${off.toExponential(1)}`;
}
