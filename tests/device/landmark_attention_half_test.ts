/** Landmark attention on tensor cores, whose text runs here with these emulated. */
import { throws } from "node:assert/strict";
import type { Tensor } from "../../src/device/device.ts";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { blocks as planOf } from "../../src/device/gpu/blocks.ts";
import { createGpuHost } from "../../src/device/gpu/gpu_host.ts";
import {
  type HalfVariant,
  hasLandmarkHalf,
  landmarkAttentionHalf,
} from "../../src/device/gpu/landmark_attention_half.ts";
import {
  type KeysVariant,
  landmarkAttentionHalfBackward,
} from "../../src/device/gpu/landmark_attention_half_backward.ts";
import { read, view } from "../../src/device/gpu/transfer.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { floatsToHalves, halvesToFloats } from "../../src/half.ts";
import { assertClose } from "../close.ts";
import { emulateTensorCores } from "../emulated_tensor_cores.ts";
import { landmarksAt, regular } from "../plans.ts";
import { type Random, randomFrom } from "../random.ts";

const adapter = await requestAdapter({});
const open = adapter && await openAdapter(adapter);
const ignore = !open?.features.f16;
const whole = open && createGpuHost(open, false);
const host = whole && emulateTensorCores(whole);
const reference = referenceDevice();
globalThis.addEventListener("unload", () => whole?.[Symbol.dispose]());

const GUARD = 77;

interface Case {
  readonly B?: number;
  readonly T?: number;
  readonly S: number;
  readonly H?: number;
  readonly G?: number;
  readonly D: number;
  /** 0: no landmark. */
  readonly M: number;
  readonly sharpness?: number;
  readonly variant?: Partial<HalfVariant>;
  readonly keysVariant?: Partial<KeysVariant>;
  /** Takes minutes to compile. */
  readonly slow?: boolean;
}

/** Random numbers that are halves, as numbers and as patterns. */
function randomHalves(random: Random, length: number, size = 1) {
  const floats = Float32Array.from(random.normal(length, size));
  const bits = floatsToHalves(floats, new Uint16Array(length));
  return { bits, floats: halvesToFloats(bits, new Float32Array(length)) };
}

/** Inputs on the reference and on the GPU. */
function inputsOf(
  { B = 1, S, T = S, H = 2, G = 1, D, M, sharpness = 1 }: Case,
  stack: DisposableStack,
) {
  const random = randomFrom(B * S + T + D + M);
  const both = (shape: readonly number[], size = 1): readonly [Tensor, Tensor] => {
    const { floats, bits } = randomHalves(random, shape.reduce((a, b) => a * b), size);
    return [
      stack.use(reference.tensor(shape, { data: floats })),
      stack.use(host!.tensor(shape, { dtype: "f16", data: bits })),
    ];
  };
  const plan = M === 0 ? landmarksAt(S, []) : regular(S, M);
  return {
    q: both([B, T, H, D], sharpness),
    k: both([B, S, G, D]),
    v: both([B, S, G, D]),
    dOut: both([B, T, H, D]),
    blocks: [
      stack.use(reference.blocks(plan, B, S)),
      stack.use(planOf(host!, plan, B, S)),
    ] as const,
    shape: { B, T, S, H, G, D },
  };
}

/** A tensor between guards. */
function guarded(
  shape: readonly number[],
  stack: DisposableStack,
): { whole: Tensor; inside: Tensor } {
  const [rows, ...rest] = shape;
  const size = (rows + 2) * rest.reduce((a, b) => a * b);
  const tensor = stack.use(
    host!.tensor([rows + 2, ...rest], { data: new Float64Array(size).fill(GUARD) }),
  );
  return { whole: tensor, inside: view(whole!, tensor, 1, rows) };
}

async function numbersOf({ whole: tensor, inside }: { whole: Tensor; inside: Tensor }) {
  const all = await read(whole!, tensor) as Float32Array;
  const row = all.length / tensor.shape[0];
  const end = row * (inside.shape[0] + 1);
  const around = [...all.subarray(0, row), ...all.subarray(end)];
  if (around.some((x) => x !== GUARD)) throw new Error("a kernel wrote outside of its output");
  return all.subarray(row, end);
}

// A kernel for tensor cores takes a CPU many seconds to compile: each case tries several things.
const CASES: readonly Case[] = [
  { S: 256, D: 64, M: 64, B: 2 },
  {
    S: 256,
    D: 32,
    M: 16,
    T: 128,
    variant: { words: 1, turned: false, split: true },
    keysVariant: { words: 1, subgroups: 2 },
  },
  { S: 192, D: 32, M: 32, variant: { ahead: false }, keysVariant: { ahead: false } },
  { S: 384, D: 32, M: 128, H: 3, G: 3, variant: { rows: 32, subgroups: 2 }, slow: true },
  { S: 256, D: 128, M: 64, slow: true },
  {
    S: 128,
    D: 64,
    M: 0,
    H: 4,
    G: 2,
    sharpness: 8,
    variant: { rows: 32, turned: false, words: 1 },
    slow: true,
  },
  { S: 512, D: 32, M: 256, T: 256, H: 1, variant: { subgroups: 8, split: true }, slow: true },
];

/** What cases have that do not say otherwise. */
function plainVariant(D: number): HalfVariant {
  return { subgroups: 4, rows: 16, split: D > 64, words: 4, turned: true, ahead: true };
}

function plainKeys(D: number): KeysVariant {
  return { subgroups: 4, words: 4, ahead: true, parts: D > 64 ? 2 : 1 };
}

/** Slow cases are left out unless CAIRN_TEST_SLOW=1 asks for them. */
function isSlow({ slow = false }: Case): boolean {
  return slow && Deno.env.get("CAIRN_TEST_SLOW") !== "1";
}

for (const testCase of CASES) {
  Deno.test({
    name: `landmarkAttentionHalf() as on the reference ${JSON.stringify(testCase)}`,
    ignore: ignore || isSlow(testCase),
    async fn() {
      using stack = new DisposableStack();
      const { q, k, v, blocks, shape: { B, T, H, D } } = inputsOf(testCase, stack);
      const out = stack.use(reference.tensor([B, T, H, D]));
      const top = stack.use(reference.tensor([B, T, H]));
      reference.landmarkAttention(q[0], k[0], v[0], blocks[0], out, top);
      const [actualOut, actualTop] = [guarded([B, T, H, D], stack), guarded([B, T, H], stack)];
      const variant = { ...plainVariant(D), ...testCase.variant };
      landmarkAttentionHalf(
        ...[host!, q[1], k[1], v[1], blocks[1], actualOut.inside, actualTop.inside] as const,
        { variant },
      );
      // Weights are rounded to 2^-11 of themselves on their way to the second product.
      assertClose(await numbersOf(actualOut), await reference.read(out), {
        atol: 1e-3,
        rtol: 5e-3,
      });
      assertClose(await numbersOf(actualTop), await reference.read(top), {
        atol: 1e-5,
        rtol: 1e-5,
      });
    },
  });
}

for (const testCase of CASES) {
  Deno.test({
    name: `landmarkAttentionHalfBackward() as on the reference ${JSON.stringify(testCase)}`,
    ignore: ignore || isSlow(testCase),
    async fn() {
      using stack = new DisposableStack();
      const { q, k, v, dOut, blocks, shape } = inputsOf(testCase, stack);
      const { B, T, S, H, G, D } = shape;
      const out = stack.use(reference.tensor([B, T, H, D]));
      const top = stack.use(reference.tensor([B, T, H]));
      const zero = (heads: number, rows: number) =>
        stack.use(
          reference.tensor([B, rows, heads, D], {
            data: new Float64Array(B * rows * heads * D).fill(GUARD),
          }),
        );
      const expected = { q: zero(H, T), k: zero(G, S), v: zero(G, S) };
      const forward = [q[0], k[0], v[0], blocks[0], out, top] as const;
      reference.landmarkAttention(...forward);
      reference.landmarkAttentionBackward(...forward, dOut[0], expected);
      const onGpu = async (tensor: Tensor) =>
        stack.use(host!.tensor(tensor.shape, { data: await reference.read(tensor) }));
      const actual = {
        q: guarded([B, T, H, D], stack),
        k: guarded([B, S, G, D], stack),
        v: guarded([B, S, G, D], stack),
      };
      landmarkAttentionHalfBackward(
        ...[
          host!,
          q[1],
          k[1],
          v[1],
          blocks[1],
          await onGpu(out),
          await onGpu(top),
          dOut[1],
        ] as const,
        { q: actual.q.inside, k: actual.k.inside, v: actual.v.inside },
        {
          variant: { ...plainVariant(D), ...testCase.variant },
          keysVariant: { ...plainKeys(D), ...testCase.keysVariant },
        },
      );
      for (const name of ["q", "k", "v"] as const) {
        const exact = await reference.read(expected[name]);
        const size = Math.max(...Array.from(exact, (x) => Math.abs(x - GUARD)));
        // Weights and slopes are rounded to 2^-11 of themselves; what is summed of them may cancel.
        const tolerance = { atol: 1e-3 * size, rtol: 0 };
        assertClose(await numbersOf(actual[name]), exact, tolerance, `d ${name}, up to ${size}`);
      }
    },
  });
}

Deno.test({
  name: "landmarkAttentionHalf() refuses what it is not made for",
  ignore,
  fn() {
    using q = host!.tensor([1, 64, 2, 64], { dtype: "f16" });
    using out = host!.tensor([1, 64, 2, 64]);
    using top = host!.tensor([1, 64, 2]);
    using blocks = planOf(host!, regular(64, 20), 1, 64);
    throws(() => landmarkAttentionHalf(host!, q, q, q, blocks, out, top), /regular.*20/);
    throws(() => landmarkAttentionHalf(host!, out, q, q, blocks, out, top), /f16/);
    if (hasLandmarkHalf(whole!) || !hasLandmarkHalf(host!, 128)) throw new Error("no tensor cores");
  },
});
