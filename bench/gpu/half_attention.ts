/** Landmark attention of halves: one way of its kernels, checked against the f32 kernels and timed. */

import { regularLandmarks } from "../../src/attention/landmark/regular_landmarks.ts";
import type { Tensor } from "../../src/device/device.ts";
import { blocks as planOf } from "../../src/device/gpu/blocks.ts";
import type { WholeHost } from "../../src/device/gpu/gpu_host.ts";
import { landmarkAttention } from "../../src/device/gpu/landmark_attention.ts";
import { landmarkAttentionBackward } from "../../src/device/gpu/landmark_attention_backward.ts";
import { landmarkAttentionHalf } from "../../src/device/gpu/landmark_attention_half.ts";
import {
  type HalfBackwardOptions,
  landmarkAttentionHalfBackward,
} from "../../src/device/gpu/landmark_attention_half_backward.ts";
import type { AttentionShape } from "./attention.ts";
import { type Bench, offBy, type Timing } from "./bench.ts";
import { type Halves, halvesOf, numbersOf, openHost, timeOn } from "./half_host.ts";

/** What the f32 kernels make of a shape. */
export type Expected = Readonly<Record<"out" | "top" | "q" | "k" | "v", Float32Array>>;

/** How far off a run was, and what it took. */
export interface Measured extends Timing {
  readonly off: number;
}

/** Tensors of a shape. */
function sceneOf(host: WholeHost, { B, T, H, G, D, M }: AttentionShape, stack: DisposableStack) {
  const given = (heads: number, seed: number): Halves =>
    stack.use(halvesOf(host, [B, T, heads, D], seed));
  const zero = (shape: readonly number[]): Tensor => stack.use(host.tensor(shape));
  return {
    inputs: [given(H, 1), given(G, 2), given(G, 3)] as const,
    dOut: given(H, 4),
    blocks: stack.use(planOf(host, { isLandmark: regularLandmarks(T, M) }, B, T)),
    out: zero([B, T, H, D]),
    top: zero([B, T, H]),
    gradients: { q: zero([B, T, H, D]), k: zero([B, T, G, D]), v: zero([B, T, G, D]) },
  };
}

/** The results of the f32 kernels. */
export async function expectedOf(bench: Bench, shape: AttentionShape): Promise<Expected> {
  using host = await openHost(bench);
  using stack = new DisposableStack();
  const { inputs, dOut, blocks, out, top, gradients } = sceneOf(host, shape, stack);
  const [q, k, v] = inputs.map(({ whole }) => whole);
  landmarkAttention(host, q, k, v, blocks, out, top);
  landmarkAttentionBackward(host, q, k, v, blocks, out, top, dOut.whole, gradients);
  const read = (tensor: Tensor) => numbersOf(host, tensor);
  const [dQ, dK, dV] = [gradients.q, gradients.k, gradients.v];
  return {
    out: await read(out),
    top: await read(top),
    q: await read(dQ),
    k: await read(dK),
    v: await read(dV),
  };
}

/** The forward pass. Each run has a device of its own, as one that refused a kernel is lost. */
export async function measureForward(
  bench: Bench,
  shape: AttentionShape,
  expected: Expected,
  options: HalfBackwardOptions,
): Promise<Measured> {
  using host = await openHost(bench);
  using stack = new DisposableStack();
  const { inputs, blocks, out, top } = sceneOf(host, shape, stack);
  const [q, k, v] = inputs.map(({ half }) => half);
  const run = () => landmarkAttentionHalf(host, q, k, v, blocks, out, top, options);
  run();
  const off = Math.max(
    offBy(await numbersOf(host, out), expected.out),
    offBy(await numbersOf(host, top), expected.top),
  );
  return { off, ...await timeOn(host, bench, run) };
}

/** The backward pass, from the results of the f32 kernels. */
export async function measureBackward(
  bench: Bench,
  shape: AttentionShape,
  expected: Expected,
  options: HalfBackwardOptions,
): Promise<Measured> {
  using host = await openHost(bench);
  using stack = new DisposableStack();
  const { inputs, dOut, blocks, out, top, gradients } = sceneOf(host, shape, stack);
  host.write(out, expected.out);
  host.write(top, expected.top);
  const [q, k, v] = inputs.map(({ half }) => half);
  const run = () =>
    landmarkAttentionHalfBackward(
      ...[host, q, k, v, blocks, out, top, dOut.half, gradients, options] as const,
    );
  run();
  let off = 0;
  for (const name of ["q", "k", "v"] as const) {
    off = Math.max(off, offBy(await numbersOf(host, gradients[name]), expected[name]));
  }
  return { off, ...await timeOn(host, bench, run) };
}
