/**
 * Landmark attention, forward and backward. Operations are counted as 4·D forward and 10·D backward
 * for each head and pair of a query and a key that is not behind it. "Plain" is the same operation
 * without landmarks: ordinary attention, which says what landmarks cost.
 */

import { regularLandmarks } from "../../src/attention/landmark/regular_landmarks.ts";
import type { Device, Tensor } from "../../src/device/device.ts";
import { blocks as planOf } from "../../src/device/gpu/blocks.ts";
import type { GpuDevice } from "../../src/device/gpu/gpu_device.ts";
import { attendTiles } from "../../src/device/gpu/landmark_attention_tiles.ts";
import { type Bench, gpuTime, noise, noisy, type Timing } from "./bench.ts";
import { openHost, timeOn } from "./half_host.ts";

/** B × H × T × D, by blocks of M; ordinary attention where M is infinite. G key/value heads. */
export interface AttentionShape {
  readonly B: number;
  readonly T: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
}

const BASE = { B: 1, H: 8, G: 8, D: 64, M: 64 };

function shapes(small: boolean): AttentionShape[] {
  if (small) {
    return [
      ...beside({ ...BASE, H: 2, G: 1, T: 512 }),
      { ...BASE, H: 1, G: 1, T: 256, M: 8 },
    ];
  }
  return [
    { ...BASE, T: 2048 },
    ...beside({ ...BASE, T: 8192 }),
    ...beside({ ...BASE, T: 16384 }),
    ...beside({ ...BASE, T: 8192, D: 128 }),
    // Each beside blocks of 64 once more, as a card's speed may change between two rows.
    ...[8, 16, 32, 128, 256].flatMap((M) => [{ ...BASE, T: 8192, M }, { ...BASE, T: 8192 }]),
    { ...BASE, T: 8192, D: 128, M: 128 },
    // The embedded model in training, and a Llama-shaped one with 135 million parameters.
    { B: 32, H: 4, G: 2, T: 512, D: 64, M: 64 },
    { B: 16, H: 4, G: 2, T: 1024, D: 64, M: 64 },
    { B: 8, H: 9, G: 3, T: 512, D: 64, M: 64 },
    // Kernels that compile for long.
    ...[2, 4, 512].map((M) => ({ ...BASE, T: 8192, M })),
  ];
}

/** The same with landmarks and without. */
function beside(shape: AttentionShape): AttentionShape[] {
  return [shape, { ...shape, M: Infinity }];
}

/** What a shape is called in tables. */
export function attentionName({ B, T, H, G, D, M }: AttentionShape): string {
  return `${B}×${H === G ? H : `${H}/${G}`}×${T}×${D}${M < Infinity ? ` M ${M}` : ""}`;
}

/** Inputs, outputs and gradients of a shape, and how to go forward and back. */
export function attentionOf(
  device: Device,
  { B, T, H, G, D, M }: AttentionShape,
  stack: DisposableStack,
) {
  const given = (heads: number, seed: number): Tensor =>
    stack.use(noisy(device, [B, T, heads, D], seed));
  const zero = (heads: number): Tensor => stack.use(device.tensor([B, T, heads, D]));
  const [q, k, v, dOut] = [given(H, 1), given(G, 2), given(G, 3), given(H, 4)];
  const gradients = { q: zero(H), k: zero(G), v: zero(G) };
  const [out, top] = [zero(H), stack.use(device.tensor([B, T, H]))];
  const blocks = stack.use(device.blocks({ isLandmark: regularLandmarks(T, M) }, B, T));
  return {
    out,
    gradients,
    forward: () => device.landmarkAttention(q, k, v, blocks, out, top),
    backward: () => device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients),
  };
}

/** Part "attention". */
export async function benchAttention(bench: Bench): Promise<void> {
  using device = await bench.open(true);
  let landmarks: Times = {};
  for (const shape of shapes(bench.small)) {
    const name = `${shape.M < Infinity ? "" : "plain "}${attentionName(shape)}`;
    if (!bench.wanted(name)) continue;
    const times = await benchShape(device, bench, shape, { name, landmarks });
    if (shape.M === Infinity) await benchPlainKernel(bench, shape, name, landmarks.forward);
    // A plain row stands behind the one with landmarks.
    landmarks = shape.M < Infinity ? times : {};
  }
}

/** Milliseconds each way. */
type Times = { forward?: number; backward?: number };

async function benchShape(
  device: GpuDevice,
  bench: Bench,
  shape: AttentionShape,
  { name, landmarks }: { name: string; landmarks: Times },
): Promise<Times> {
  using stack = new DisposableStack();
  const { forward, backward } = attentionOf(device, shape, stack);
  const { B, T, H, D, M } = shape;
  const pairs = B * H * T * (T + 1) / 2;
  const times: Times = {};
  const ways = [["forward", forward, 4], ["backward", backward, 10]] as const;
  for (const [way, run, factor] of ways) {
    const { ms, kernels } = await gpuTime(device, bench, run);
    const rate = pairs * factor * D / ms / 1e9;
    const row = { part: "attention", name: `${way} ${name}`, ms, rate, unit: "TFLOP/s", kernels };
    bench.report({ ...row, ...(M === Infinity && costNote(landmarks[way], ms)) });
    times[way] = ms;
  }
  return times;
}

function costNote(landmarks: number | undefined, plain: number): { note?: string } {
  if (landmarks === undefined) return {};
  const percent = (landmarks / plain - 1) * 100;
  return { note: `landmarks cost ${percent < 0 ? "" : "+"}${percent.toFixed(1)} %` };
}

async function benchPlainKernel(
  bench: Bench,
  shape: AttentionShape,
  name: string,
  landmarks: number | undefined,
): Promise<void> {
  const { B, T, H, D } = shape;
  const { ms, kernels } = await plainKernelTime(bench, shape);
  const rate = B * H * T * (T + 1) / 2 * 4 * D / ms / 1e9;
  const row = { part: "attention", name: `forward ${name}, kernel of its own`, ms, rate };
  bench.report({ ...row, unit: "TFLOP/s", kernels, ...costNote(landmarks, ms) });
}

/** Forward as a kernel of its own, which no device calls: the least that ordinary attention takes. */
export async function plainKernelTime(
  bench: Bench,
  { B, T, H, G, D }: AttentionShape,
): Promise<Timing> {
  using host = await openHost(bench);
  using stack = new DisposableStack();
  const given = (heads: number, seed: number): Tensor =>
    stack.use(host.tensor([B, T, heads, D], { data: noise(B * T * heads * D, seed) }));
  const [q, k, v] = [given(H, 1), given(G, 2), given(G, 3)];
  const [out, top] = [[B, T, H, D], [B, T, H]].map((shape) => stack.use(host.tensor(shape)));
  const plan = stack.use(planOf(host, { isLandmark: new Uint8Array(T) }, B, T));
  const shape = { B, T, S: T, H, G, D };
  const job = {
    shape,
    plan,
    q,
    k,
    v,
    out,
    top,
    scale: 1 / Math.sqrt(D),
    foreign: undefined,
    foreignBias: 0,
  };
  return await timeOn(host, bench, () => attendTiles(host, job, { plain: true }));
}
