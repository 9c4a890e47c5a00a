/** Gradients of landmark attention whose levels do not fit at once, so that queries go in slices. */
import { deepEqual } from "node:assert/strict";
import type { Device, Tensor } from "../../src/device/device.ts";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { blocks as planOf } from "../../src/device/gpu/blocks.ts";
import { createGpuHost, type WholeHost } from "../../src/device/gpu/gpu_host.ts";
import { landmarkAttention } from "../../src/device/gpu/landmark_attention.ts";
import { landmarkAttentionBackward } from "../../src/device/gpu/landmark_attention_backward.ts";
import { read } from "../../src/device/gpu/transfer.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { assertClose } from "../close.ts";
import { regular } from "../plans.ts";
import { randomFrom } from "../random.ts";

const adapter = await requestAdapter({});
const ignore = adapter === undefined;
const whole = adapter && createGpuHost(await openAdapter(adapter), false);
globalThis.addEventListener("unload", () => whole?.[Symbol.dispose]());

const [B, S, H, G, D] = [2, 260, 4, 2, 64];
const SEED = 5;
const PREPARE = "landmark_attention_backward_prepare";

/** What the level kernels are given of one query: two numbers for each block and the top. */
function queryBytes(M: number): number {
  return 8 * H * (Math.ceil(S / M) + 1);
}

/** The host with less room, and the numbers of queries that its slices have. */
function cramped(host: WholeHost, tensorBytes: number): { host: WholeHost; counts: number[] } {
  const counts: number[] = [];
  const limits = { ...host.limits, tensorBytes };
  const run: WholeHost["run"] = (kernel, launch) => {
    if (kernel.name === PREPARE) counts.push(Number(launch.params?.[3]));
    host.run(kernel, launch);
  };
  return { host: { ...host, limits, run }, counts };
}

type Maker = Pick<Device, "tensor">;

/** Random inputs, and room for results. */
function tensorsOf(device: Maker, stack: DisposableStack): Record<string, Tensor> {
  const random = randomFrom(SEED);
  const given = (heads: number): Tensor =>
    stack.use(device.tensor([B, S, heads, D], { data: random.normal(B * S * heads * D) }));
  const zero = (heads: number): Tensor => stack.use(device.tensor([B, S, heads, D]));
  const inputs = { q: given(H), k: given(G), v: given(G), dOut: given(H), out: zero(H) };
  const top = stack.use(device.tensor([B, S, H]));
  return { ...inputs, top, dQ: zero(H), dK: zero(G), dV: zero(G) };
}

for (
  const [M, queries, slices] of [
    [64, 1, [64, 64, 64, 64, 4]],
    [64, 128, [128, 128, 4]],
    [64, 200, [192, 68]],
    [64, 260, [260]],
    [128, 1, [64, 64, 64, 64, 4]],
    [128, 200, [192, 68]],
  ] as const
) {
  const name =
    `landmarkAttentionBackward() with room for ${queries} queries, blocks of ${M}, seed ${SEED}`;
  Deno.test({ name, ignore }, async () => {
    using stack = new DisposableStack();
    const reference = referenceDevice();
    const x = tensorsOf(reference, stack);
    const plan = regular(S, M);
    const blocks = stack.use(reference.blocks(plan, B, S));
    reference.landmarkAttention(x.q, x.k, x.v, blocks, x.out, x.top);
    const into = { q: x.dQ, k: x.dK, v: x.dV };
    reference.landmarkAttentionBackward(x.q, x.k, x.v, blocks, x.out, x.top, x.dOut, into);

    const y = tensorsOf(whole!, stack);
    const { host, counts } = cramped(whole!, queries * queryBytes(M));
    const seen = stack.use(planOf(host, plan, B, S));
    landmarkAttention(host, y.q, y.k, y.v, seen, y.out, y.top);
    const from = { q: y.dQ, k: y.dK, v: y.dV };
    landmarkAttentionBackward(host, y.q, y.k, y.v, seen, y.out, y.top, y.dOut, from);
    deepEqual(counts, [...slices, ...slices]);
    for (const name of ["dQ", "dK", "dV"]) {
      const expected = await reference.read(x[name]);
      assertClose(await read(whole!, y[name]), expected, { atol: 5e-6, rtol: 2e-5 }, name);
    }
  });
}
