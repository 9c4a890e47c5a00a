/**
 * The GPU's matrix products: some of their numbers against sums in f64, and their speed by the GPU's
 * own clock, for every tile and for what the device chooses.
 *
 *     deno run -A bench/gpu_matmul_check.ts [--dawn] [--half] [--tiles]
 *
 * `--dawn` runs on Dawn, whose native module DAWN_NODE names, in place of Deno's own WebGPU; `--half`
 * adds the f16 products of tensor cores, which only Dawn has; `--tiles` adds every tile by itself.
 */
import { createRequire } from "node:module";
import type { Tensor } from "../src/device/device.ts";
import { openAdapter, requestAdapter } from "../src/device/gpu/adapter.ts";
import { createGpuHost, type WholeHost } from "../src/device/gpu/gpu_host.ts";
import { matmul, matmulBy } from "../src/device/gpu/matmul.ts";
import { hasMatmulHalf, matmulHalf } from "../src/device/gpu/matmul_half.ts";
import { chooseVariant, TILE_K, tileBytes, TILES } from "../src/device/gpu/matmul_variants.ts";
import { read } from "../src/device/gpu/transfer.ts";
import { floatsToHalves, halvesToFloats } from "../src/half.ts";
import {
  inputShapes,
  MATMUL_SHAPES,
  type MatmulShape,
  operations,
  shapeName,
} from "./matmul_shapes.ts";

const WARM_UP = 5;
const RUNS = 20;
const SAMPLES = 200;
const LARGE: readonly MatmulShape[] = [
  ...[1024, 2048, 4096].map((size) => ({ name: "A·B", m: size, n: size, k: size })),
  { name: "A·Bᵀ", m: 4096, n: 4096, k: 4096, transposeB: true },
  { name: "Aᵀ·B", m: 4096, n: 4096, k: 4096, transposeA: true },
  { name: "decode", m: 1, n: 4096, k: 4096, transposeB: true },
  { name: "decode", m: 8, n: 4096, k: 4096, transposeB: true },
];

/** A way to make a product of two tensors. */
interface Way {
  readonly name: string;
  readonly half: boolean;
  readonly run: (a: Tensor, b: Tensor, out: Tensor) => void;
}

const flags = new Set(Deno.args);
const timer = setInterval(() => {}, 1000); // Dawn does not keep the event loop alive.
const adapter = await requestAdapter({ gpu: flags.has("--dawn") ? dawn() : undefined });
if (!adapter) throw new Error("Cannot measure as there must be an adapter: none was found");
const open = await openAdapter(adapter);
const host = createGpuHost(open, true);
console.log(`${open.name}; times by timestamps: ${host.features.timestamps}`);

let wrong = 0;
for (const shape of [...LARGE, ...Object.values(MATMUL_SHAPES).flat()]) {
  for (const way of waysOf(host, shape)) wrong += await measure(host, shape, way);
}
console.log(wrong === 0 ? "all numbers are right" : `${wrong} products have wrong numbers`);
host[Symbol.dispose]();
clearInterval(timer);
Deno.exit(wrong === 0 ? 0 : 1);

function dawn(): GPU {
  const module = createRequire(import.meta.url)(Deno.env.get("DAWN_NODE")!);
  Object.assign(globalThis, module.globals);
  const features = "enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia";
  // Kept, as Dawn ends with it.
  return (globalThis as { dawn?: GPU }).dawn = module.create([features]);
}

function waysOf(host: WholeHost, shape: MatmulShape): Way[] {
  const { m, n, k, transposeA = false, transposeB = false } = shape;
  const options = { transposeA, transposeB };
  const ways: Way[] = [
    { name: "chosen", half: false, run: (a, b, out) => matmul(host, a, b, out, options) },
  ];
  const { workgroupBytes } = host.limits;
  for (const [name, tile] of flags.has("--tiles") ? Object.entries(TILES) : []) {
    if (tileBytes(tile, 1) > workgroupBytes) continue;
    const { slices, slice } = transposeA
      ? chooseVariant({ m, n, k, split: true, workgroupBytes })
      : { slices: 1, slice: Math.ceil(k / TILE_K) * TILE_K };
    const variant = { tile, slices, slice };
    ways.push({
      name: `${name}${slices > 1 ? ` ÷${slices}` : ""}`,
      half: false,
      run: (a, b, out) => matmulBy(host, a, b, out, variant, options),
    });
  }
  const eights = k % 8 === 0 && (transposeB || n % 8 === 0);
  if (flags.has("--half") && hasMatmulHalf(host) && !transposeA && eights) {
    ways.push({
      name: "f16 tensor",
      half: true,
      run: (a, b, out) => matmulHalf(host, a, b, out, { transposeB }),
    });
  }
  return ways;
}

/** Prints a line; gives 1 if a number is wrong. */
async function measure(host: WholeHost, shape: MatmulShape, way: Way): Promise<number> {
  const shapes = inputShapes(shape);
  const [x, y] = [randomNumbers(shapes.a, way.half), randomNumbers(shapes.b, way.half)];
  using a = tensorOf(host, shapes.a, x, way.half);
  using b = tensorOf(host, shapes.b, y, way.half);
  using out = host.tensor([shape.m, shape.n]);
  for (let i = 0; i < WARM_UP; i++) way.run(a, b, out);
  const off = worst(shape, x, y, await read(host, out) as Float32Array);
  host.commands.flush();
  await host.profiler?.take();
  for (let i = 0; i < RUNS; i++) way.run(a, b, out);
  host.commands.flush();
  const times = await host.profiler?.take() ?? new Map<string, { ms: number }>();
  const ms = [...times.values()].reduce((sum, time) => sum + time.ms, 0) / RUNS;
  const right = off < 1e-5;
  console.log(
    shapeName(shape).padEnd(30),
    way.name.padEnd(14),
    `${(ms * 1000).toFixed(1).padStart(9)} µs`,
    `${(operations(shape) / ms / 1e9).toFixed(2).padStart(8)} TFLOP/s`,
    `off by ${off.toExponential(1)}${right ? "" : "  WRONG"}`,
    [...times.keys()].join(" + "),
  );
  return right ? 0 : 1;
}

/** In [−1, 1), as the tensor will hold them. */
function randomNumbers([rows, columns]: readonly [number, number], half: boolean): Float32Array {
  const numbers = Float32Array.from({ length: rows * columns }, () => 2 * Math.random() - 1);
  return half ? halvesToFloats(halves(numbers), numbers) : numbers;
}

function halves(numbers: Float32Array): Uint16Array {
  return floatsToHalves(numbers, new Uint16Array(numbers.length));
}

function tensorOf(
  host: WholeHost,
  shape: readonly number[],
  numbers: Float32Array,
  half: boolean,
): Tensor {
  if (!half) return host.tensor(shape, { data: numbers });
  return host.tensor(shape, { dtype: "f16", data: halves(numbers) });
}

/** The largest error of some numbers, over √k, which is about their size. */
function worst(
  { m, n, k, transposeA, transposeB }: MatmulShape,
  x: Float32Array,
  y: Float32Array,
  out: Float32Array,
): number {
  let most = 0;
  for (let sample = 0; sample < SAMPLES; sample++) {
    // The corners first, then anywhere.
    const i = sample < 4 ? (sample & 1) * (m - 1) : Math.floor(Math.random() * m);
    const j = sample < 4 ? (sample >> 1) * (n - 1) : Math.floor(Math.random() * n);
    let sum = 0;
    for (let p = 0; p < k; p++) {
      sum += x[transposeA ? p * m + i : i * k + p] * y[transposeB ? j * k + p : p * n + j];
    }
    const error = Math.abs(out[i * n + j] - sum) / Math.max(1, Math.sqrt(k));
    most = Math.max(most, Number.isNaN(error) ? Infinity : error);
  }
  return most;
}
