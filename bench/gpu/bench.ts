/** What the parts of bench/gpu.ts share: the device, the clock, and where results go. */

import type { Device, Tensor } from "../../src/device/device.ts";
import type { GpuDevice } from "../../src/device/gpu/gpu_device.ts";

/** One result. */
export interface Row {
  readonly part: string;
  readonly name: string;
  /** Of one run: the median. */
  readonly ms?: number;
  readonly rate?: number;
  readonly unit?: string;
  /** GPU time of one run by kernel, the longest first. */
  readonly kernels?: Readonly<Record<string, { runs: number; ms: number }>>;
  readonly note?: string;
}

/** What a part works with. */
export interface Bench {
  /** Small shapes, to try the program where a CPU plays the GPU. */
  readonly small: boolean;
  /** How often a measurement is repeated. */
  readonly repeats: number;
  /** Whether a row was asked for. */
  wanted(name: string): boolean;
  /** Opens the GPU; `profile` measures kernels, and sends each of them alone. */
  open(profile: boolean): Promise<GpuDevice>;
  report(row: Row): void;
  /** Whose WebGPU it is, where it is not Deno's own. */
  readonly gpu: GPU | undefined;
  /** Whether tensor cores are played where there are none, to try the program. */
  readonly emulate: boolean;
  /** Files in the folder that the program runs in. */
  readonly model: string;
  readonly text: string;
  readonly golden: string;
}

/** GPU time of one run. */
export interface Timing {
  readonly ms: number;
  readonly kernels: Readonly<Record<string, { runs: number; ms: number }>>;
}

/** A measurement takes at least as long, so that the GPU's clock goes up. */
const LEAST_MS = 20;
const MOST_RUNS = 64;

/** GPU time of one run, without the gaps between kernels: the median of many, by timestamps. */
export async function gpuTime(
  device: Pick<GpuDevice, "profile">,
  bench: Bench,
  run: () => void,
): Promise<Timing> {
  const once = async (runs: number): Promise<Timing> => {
    for (let i = 0; i < runs; i++) run();
    return meanOf(await device.profile(), runs);
  };
  await once(1); // compiles the kernels
  const { ms } = await once(1);
  const runs = Math.max(1, Math.min(MOST_RUNS, Math.ceil(LEAST_MS / Math.max(ms, 0.01))));
  const timings: Timing[] = [];
  for (let i = 0; i < bench.repeats; i++) timings.push(await once(runs));
  return median(timings, ({ ms }) => ms);
}

function meanOf(profile: ReadonlyMap<string, { count: number; ms: number }>, runs: number): Timing {
  const sorted = [...profile].sort(([, a], [, b]) => b.ms - a.ms);
  const kernels = Object.fromEntries(
    sorted.map(([name, { count, ms }]) => [name, { runs: count / runs, ms: ms / runs }]),
  );
  return { ms: sorted.reduce((sum, [, { ms }]) => sum + ms, 0) / runs, kernels };
}

/**
 * Time of one run in a queue of many: the slope between a short queue and a long one, so that the
 * wait for the results, which is long in some engines, falls out.
 */
export async function queueTime(
  device: Device,
  bench: Bench,
  result: Tensor,
  run: () => void,
): Promise<number> {
  const end = device.view(device.reshape(result, [result.shape.reduce((a, b) => a * b)]), 0, 1);
  const queue = async (runs: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < runs; i++) run();
    await device.read(end);
    return performance.now() - start;
  };
  await queue(2);
  const [one, four] = [await queue(1), await queue(5)];
  const guess = Math.max(0.02, (four - one) / 4);
  const runs = Math.max(4, Math.min(2000, Math.ceil((bench.small ? 20 : 100) / guess)));
  const slopes: number[] = [];
  for (let i = 0; i < bench.repeats; i++) {
    const short = await queue(runs);
    slopes.push((await queue(3 * runs) - short) / (2 * runs));
  }
  return median(slopes, (slope) => slope);
}

/** The one in the middle. */
export function median<T>(values: readonly T[], key: (value: T) => number): T {
  return values.toSorted((a, b) => key(a) - key(b))[values.length >> 1];
}

/** Numbers in [−1, 1) that are the same every time (Lehmer's generator). */
export function noise(length: number, seed = 1): Float32Array {
  let state = seed;
  const numbers = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    state = state * 48271 % 2147483647;
    numbers[i] = state / 1073741824 - 1;
  }
  return numbers;
}

/** A tensor of noise. */
export function noisy(device: Device, shape: readonly number[], seed = 1): Tensor {
  return device.tensor(shape, { data: noise(shape.reduce((a, b) => a * b), seed) });
}

/** The largest error, as a part of the largest number. */
export function offBy(actual: Float32Array, expected: Float32Array): number {
  let [error, size] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    const distance = Math.abs(actual[i] - expected[i]);
    if (!(distance <= error)) error = Number.isNaN(distance) ? Infinity : distance;
    size = Math.max(size, Math.abs(expected[i]));
  }
  return error / size;
}
