/**
 * Part "ways": how kernels are written, each way compared with the first one of its shape and timed:
 * reading chosen blocks, and the gradients of landmark attention in f32.
 */

import type { Device, Tensor } from "../../src/device/device.ts";
import type { GpuDevice } from "../../src/device/gpu/gpu_device.ts";
import type { GradientWay } from "../../src/device/gpu/landmark_gradient.ts";
import type { PartsWay } from "../../src/device/gpu/memory_attention_parts.ts";
import { attentionName, attentionOf, type AttentionShape } from "./attention.ts";
import { type Bench, gpuTime, offBy } from "./bench.ts";
import { bytesOf, decodeName, decodeOf, type DecodeShape, decodeShapes } from "./memory.ts";

/** false: the kernel for any width. */
const PARTS: Readonly<Record<string, PartsWay | false>> = {
  "any width": false,
  "64 shared": { threads: 64, depth: 1, by: "shared" },
  "128 shared": { threads: 128, depth: 1, by: "shared" },
  "256 shared": { threads: 256, depth: 1, by: "shared" },
  "128 shared deep": { threads: 128, depth: 2, by: "shared" },
  "64 subgroups": { threads: 64, depth: 1, by: "subgroups" },
  "128 subgroups": { threads: 128, depth: 1, by: "subgroups" },
  "256 subgroups": { threads: 256, depth: 1, by: "subgroups" },
  "64 subgroups deep": { threads: 64, depth: 2, by: "subgroups" },
  "128 subgroups deep": { threads: 128, depth: 2, by: "subgroups" },
};

const FIRST: GradientWay = { headsFirst: false, buffers: 1, spelled: 1, levelBytes: 2 ** 27 };

const GRADIENT: Readonly<Record<string, GradientWay>> = {
  "as it was": FIRST,
  heads: { ...FIRST, headsFirst: true },
  "heads, spelled": { ...FIRST, headsFirst: true, spelled: 2 },
  "heads, buffers": { ...FIRST, headsFirst: true, buffers: 2 },
  "heads, spelled, buffers": { ...FIRST, headsFirst: true, spelled: 2, buffers: 2 },
  "heads, 256 MiB": { ...FIRST, headsFirst: true, levelBytes: 2 ** 28 },
  "heads, 512 MiB": { ...FIRST, headsFirst: true, levelBytes: 2 ** 29 },
};
const SAME_LEVELS = Object.keys(GRADIENT).slice(0, 5);

const BASE = { B: 1, H: 8, G: 8, D: 64, M: 64, T: 8192 };

/** Shapes, and the ways that could matter there. */
const SHAPES: readonly [AttentionShape, readonly string[]][] = [
  [BASE, SAME_LEVELS],
  [{ ...BASE, M: 16 }, ["as it was", "heads", "heads, 256 MiB", "heads, 512 MiB"]],
  [{ ...BASE, M: 8 }, ["heads", "heads, 256 MiB", "heads, 512 MiB"]],
  ...[32, 128, 256].map((M): [AttentionShape, string[]] => [{ ...BASE, M }, ["heads"]]),
  [{ ...BASE, D: 128 }, ["as it was", "heads", "heads, buffers"]],
];
const SMALL: typeof SHAPES = [[{ ...BASE, H: 2, G: 2, T: 256, M: 16 }, Object.keys(GRADIENT)]];

/** What results of two ways may differ by, relative to the largest number. */
const BOUND = 1e-4;

export async function benchWays(bench: Bench): Promise<void> {
  using device = await bench.open(true);
  for (const shape of decodeShapes(bench.small)) await benchParts(device, bench, shape);
  for (const [shape, ways] of bench.small ? SMALL : SHAPES) {
    await benchGradient(device, bench, shape, ways);
  }
}

async function benchParts(device: GpuDevice, bench: Bench, shape: DecodeShape): Promise<void> {
  using stack = new DisposableStack();
  const { out, run } = decodeOf(device, shape, stack);
  const scale = 1 / Math.sqrt(shape.D);
  let expected: Float32Array[] | undefined;
  for (const [key, way] of Object.entries(PARTS)) {
    const name = `${decodeName(shape)}: ${key}`;
    if (!bench.wanted(name)) continue;
    const options = { scale, way };
    run(options);
    const results = await all(device, [out]);
    expected ??= results;
    const { ms, kernels } = await gpuTime(device, bench, () => run(options));
    const row = { part: "ways", name, ms, rate: bytesOf(shape) / ms / 1e6, unit: "GB/s", kernels };
    bench.report({ ...row, note: verdict(results, expected) });
  }
}

async function benchGradient(
  device: GpuDevice,
  bench: Bench,
  shape: AttentionShape,
  ways: readonly string[],
): Promise<void> {
  const { B, T, H, D } = shape;
  const operations = B * H * T * (T + 1) / 2 * D;
  let expected: Float32Array[] | undefined;
  for (const way of ways) {
    const name = `${attentionName(shape)}: ${way}`;
    if (!bench.wanted(name)) continue;
    using stack = new DisposableStack();
    const { gradients: { q, k, v }, forward, backward } = attentionOf(device, shape, stack);
    const options = { scale: 1 / Math.sqrt(D), way: GRADIENT[way] };
    forward();
    backward(options);
    const results = await all(device, [q, k, v]);
    const row = { part: "ways", unit: "TFLOP/s" };
    if (!expected) {
      const { ms, kernels } = await gpuTime(device, bench, forward);
      bench.report({
        ...{ ...row, name: `forward ${attentionName(shape)}`, ms, kernels },
        rate: 4 * operations / ms / 1e9,
      });
    }
    expected ??= results;
    const { ms, kernels } = await gpuTime(device, bench, () => backward(options));
    bench.report({
      ...{ ...row, name: `backward ${name}`, ms, kernels, note: verdict(results, expected) },
      rate: 10 * operations / ms / 1e9,
    });
  }
}

async function all(device: Device, tensors: readonly Tensor[]): Promise<Float32Array[]> {
  const read: Float32Array[] = [];
  for (const tensor of tensors) read.push(await device.read(tensor) as Float32Array);
  return read;
}

function verdict(results: readonly Float32Array[], expected: readonly Float32Array[]): string {
  if (results === expected) return "";
  const off = Math.max(...results.map((result, i) => offBy(result, expected[i])));
  return `${off <= BOUND ? "right" : "WRONG"}, off by ${off.toExponential(1)}`;
}
