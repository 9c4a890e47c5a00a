/** The product of tensor cores, whose text runs here with these emulated. */
import { equal, throws } from "node:assert/strict";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { createGpuHost } from "../../src/device/gpu/gpu_host.ts";
import { hasMatmulHalf, matmulHalf } from "../../src/device/gpu/matmul_half.ts";
import { read } from "../../src/device/gpu/transfer.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { floatsToHalves, halvesToFloats } from "../../src/half.ts";
import { assertClose } from "../close.ts";
import { emulateTensorCores } from "../emulated_tensor_cores.ts";
import { type Random, randomFrom } from "../random.ts";

const adapter = await requestAdapter({});
const open = adapter && await openAdapter(adapter);
const ignore = !open?.features.f16;
const whole = open && createGpuHost(open, false);
const host = whole && emulateTensorCores(whole);
const reference = referenceDevice();
globalThis.addEventListener("unload", () => whole?.[Symbol.dispose]());

const GUARD = 77;

/** Random numbers that are halves, as numbers and as patterns. */
function randomHalves(random: Random, length: number): { floats: Float32Array; bits: Uint16Array } {
  const bits = floatsToHalves(Float32Array.from(random.normal(length)), new Uint16Array(length));
  return { bits, floats: halvesToFloats(bits, new Float32Array(length)) };
}

// Inside, at and past a tile; k of less and more than one tile, and not a multiple of it.
const SHAPES = [
  { m: 128, n: 128, k: 32 },
  { m: 136, n: 152, k: 72 },
  { m: 8, n: 264, k: 104 },
  { m: 40, n: 72, k: 1000 }, // in slices where a is transposed
  { m: 16, n: 8, k: 0 },
];
// A kernel for tensor cores takes a CPU seconds to compile: every option is in some of them.
const WAYS = [
  { transposeA: false, transposeB: false, words: 4, stages: 2 },
  { transposeA: false, transposeB: true, words: 1, stages: 2 },
  { transposeA: true, transposeB: false, words: 1, stages: 1 },
  { transposeA: true, transposeB: true, words: 4, stages: 1 },
] as const;
const CASES = SHAPES.flatMap((shape) => WAYS.map((way) => ({ ...shape, ...way })));

for (const { m, n, k, ...options } of CASES) {
  const accumulate = options.transposeA;
  Deno.test({
    name: `matmulHalf() is the product of halves ${JSON.stringify({ m, n, k, ...options })}`,
    ignore,
    async fn() {
      const random = randomFrom(m + n + k);
      const [x, y] = [randomHalves(random, m * k), randomHalves(random, k * n)];
      const z = random.normal(m * n);
      const aShape = options.transposeA ? [k, m] : [m, k];
      const bShape = options.transposeB ? [n, k] : [k, n];
      using expectedOut = reference.tensor([m, n], { data: z });
      using exactA = reference.tensor(aShape, { data: x.floats });
      using exactB = reference.tensor(bShape, { data: y.floats });
      reference.matmul(exactA, exactB, expectedOut, { ...options, accumulate });
      using a = host!.tensor(aShape, { dtype: "f16", data: x.bits });
      using b = host!.tensor(bShape, { dtype: "f16", data: y.bits });
      using out = host!.tensor([m, n], { data: z });
      matmulHalf(host!, a, b, out, { ...options, accumulate });
      const actual = await read(whole!, out);
      // As for f32: products of halves are exact in it.
      const expected = await reference.read(expectedOut);
      assertClose(actual, expected, { atol: 1.5e-7 * k, rtol: 1e-5 });
    },
  });
}

Deno.test({
  name: "matmulHalf() writes nothing outside of its rows and columns",
  ignore,
  async fn() {
    const [m, n, k] = [9, 5, 16]; // by a kernel that is there already
    using a = host!.tensor([m, k], { dtype: "f16", data: new Float64Array(m * k).fill(1) });
    using b = host!.tensor([n, k], { dtype: "f16", data: new Float64Array(n * k).fill(0.5) });
    using out = host!.tensor([m * n + 20], { data: new Float64Array(m * n + 20).fill(GUARD) });
    const inside = Object.assign(Object.create(Object.getPrototypeOf(out)), out, { shape: [m, n] });
    matmulHalf(host!, a, b, inside, { transposeB: true, words: 1 });
    const numbers = await read(whole!, out);
    assertClose(numbers.subarray(0, m * n), new Array(m * n).fill(8), { atol: 0, rtol: 0 });
    equal(numbers.subarray(m * n).findIndex((x) => x !== GUARD), -1);
  },
});

Deno.test({
  name: "matmulHalf() refuses rows that are not whole eights",
  ignore,
  fn() {
    using a = host!.tensor([16, 12], { dtype: "f16" });
    using b = host!.tensor([16, 12], { dtype: "f16" });
    using out = host!.tensor([16, 16]);
    throws(() => matmulHalf(host!, a, b, out, { transposeB: true }), /rows of a.*8.*12/);
    equal(hasMatmulHalf(host!), true);
    equal(hasMatmulHalf(whole!), false);
  },
});
