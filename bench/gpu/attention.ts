/**
 * Landmark attention, forward and backward. Operations are counted as 4·D forward and 10·D backward
 * for each head and pair of a query and a key that is not behind it.
 */

import { regularLandmarks } from "../../src/attention/landmark.ts";
import type { Device, Tensor } from "../../src/device/device.ts";
import type { GpuDevice } from "../../src/device/gpu/gpu_device.ts";
import { type Bench, gpuTime, noisy } from "./bench.ts";

/** B × H × T × D, by blocks of M; G key/value heads. */
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
  if (small) return [{ ...BASE, H: 2, G: 1, T: 512 }, { ...BASE, H: 1, G: 1, T: 256, M: 8 }];
  return [
    ...[2048, 8192, 16384].map((T) => ({ ...BASE, T })),
    { ...BASE, T: 8192, D: 128 },
    ...[2, 4, 8, 16, 32, 128, 256, 512].map((M) => ({ ...BASE, T: 8192, M })),
    // The embedded model in training, and a Llama-shaped one with 135 million parameters.
    { B: 32, H: 4, G: 2, T: 512, D: 64, M: 64 },
    { B: 16, H: 4, G: 2, T: 1024, D: 64, M: 64 },
    { B: 8, H: 9, G: 3, T: 512, D: 64, M: 64 },
  ];
}

/** What a shape is called in tables. */
export function attentionName({ B, T, H, G, D, M }: AttentionShape): string {
  return `${B}×${H === G ? H : `${H}/${G}`}×${T}×${D} M ${M}`;
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
  for (const shape of shapes(bench.small)) {
    const name = attentionName(shape);
    if (!bench.wanted(name)) continue;
    await benchShape(device, bench, shape, name);
  }
}

async function benchShape(
  device: GpuDevice,
  bench: Bench,
  shape: AttentionShape,
  name: string,
): Promise<void> {
  using stack = new DisposableStack();
  const { forward, backward } = attentionOf(device, shape, stack);
  const { B, T, H, D } = shape;
  const pairs = B * H * T * (T + 1) / 2;
  for (
    const [way, run, factor] of [["forward", forward, 4], ["backward", backward, 10]] as const
  ) {
    const { ms, kernels } = await gpuTime(device, bench, run);
    const rate = pairs * factor * D / ms / 1e9;
    bench.report({
      part: "attention",
      name: `${way} ${name}`,
      ms,
      rate,
      unit: "TFLOP/s",
      kernels,
    });
  }
}
