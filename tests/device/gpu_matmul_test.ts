/** Every way in which the GPU makes a matrix product: tests elsewhere take what a shape chooses. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { sizeOf, type Tensor } from "../../src/device/device.ts";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { createGpuHost, type WholeHost } from "../../src/device/gpu/gpu_host.ts";
import { matmul, matmulBy } from "../../src/device/gpu/matmul.ts";
import { chooseVariant, TILES } from "../../src/device/gpu/matmul_variants.ts";
import { read, view, write } from "../../src/device/gpu/transfer.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { assertClose, EXACT } from "../close.ts";
import { randomFrom } from "../random.ts";

const adapter = await requestAdapter({});
const ignore = adapter === undefined;
const host = adapter && createGpuHost(await openAdapter(adapter), false);
const reference = referenceDevice();
globalThis.addEventListener("unload", () => host?.[Symbol.dispose]());

interface Case {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly accumulate: boolean;
}

const GUARD = 77;

/** Numbers between guards: `lead` of them shift where the tensor begins. */
function guarded(shape: readonly number[], data: Float64Array, lead: number): {
  whole: Tensor;
  inside: Tensor;
} {
  const size = sizeOf(shape);
  const whole = host!.tensor([lead + size + 9]);
  write(host!, whole, new Float64Array(lead + size + 9).fill(GUARD));
  const inside = view(host!, whole, lead, size);
  write(host!, inside, data);
  return { whole, inside: reshaped(inside, shape) };
}

function reshaped(tensor: Tensor, shape: readonly number[]): Tensor {
  return Object.assign(Object.create(Object.getPrototypeOf(tensor)), tensor, { shape });
}

/** Runs a case on the GPU; compares it with the reference, and gives the numbers. */
async function compare(
  { m, n, k, ...options }: Case,
  lead: number,
  run: (host: WholeHost, a: Tensor, b: Tensor, out: Tensor, options: Partial<Case>) => void,
): Promise<Float32Array> {
  const random = randomFrom(m + n + k);
  const aShape = options.transposeA ? [k, m] : [m, k];
  const bShape = options.transposeB ? [n, k] : [k, n];
  const [x, y, z] = [random.normal(m * k), random.normal(k * n), random.normal(m * n)];
  const expectedOut = reference.tensor([m, n], { data: z });
  reference.matmul(
    reference.tensor(aShape, { data: x }),
    reference.tensor(bShape, { data: y }),
    expectedOut,
    options,
  );
  const expected = await reference.read(expectedOut);
  const [a, b, out] = [
    guarded(aShape, x, lead),
    guarded(bShape, y, lead),
    guarded([m, n], z, lead),
  ];
  run(host!, a.inside, b.inside, out.inside, options);
  const all = await read(host!, out.whole);
  for (const { whole } of [a, b, out]) whole[Symbol.dispose]();
  const actual = all.subarray(lead, lead + m * n) as Float32Array;
  // Sums wander to about √k, and are rounded k times on their way: 6e-8 · √k · √k / 2, at five sigma.
  assertClose(actual, expected, { atol: 1.5e-7 * k, rtol: 1e-5 });
  const around = [...all.subarray(0, lead), ...all.subarray(lead + m * n)];
  equal(around.findIndex((number) => number !== GUARD), -1, "out was written outside");
  return actual;
}

// At, short of and past a tile; whole fours and not; k of less and more than one step.
const SHAPES = [
  { m: 128, n: 128, k: 32, lead: 0 },
  { m: 132, n: 60, k: 20, lead: 4 },
  { m: 129, n: 131, k: 17, lead: 1 },
  { m: 4, n: 5, k: 48, lead: 0 },
];
const FLAGS = [false, true];

for (const { lead, ...shape } of SHAPES) {
  for (const [transposeA, transposeB] of FLAGS.flatMap((a) => FLAGS.map((b) => [a, b]))) {
    Deno.test({
      name: `matmulBy() gives the same bits by every tile ${
        JSON.stringify({ ...shape, lead, transposeA, transposeB })
      }`,
      ignore,
      async fn() {
        const call = { ...shape, transposeA, transposeB, accumulate: shape.k === 20 };
        const slice = Math.ceil(shape.k / 16) * 16;
        const results: Float32Array[] = [];
        for (const tile of Object.values(TILES)) {
          const variant = { tile, slices: 1, slice };
          results.push(
            await compare(
              call,
              lead,
              (host, a, b, out, options) => matmulBy(host, a, b, out, variant, options),
            ),
          );
        }
        for (const result of results) assertClose(result, results[0], EXACT);
      },
    });
  }
}

for (const accumulate of FLAGS) {
  for (const { n, k, lead } of [{ n: 36, k: 1100, lead: 0 }, { n: 35, k: 1030, lead: 3 }]) {
    Deno.test({
      name: `matmul() sums in slices ${JSON.stringify({ n, k, lead, accumulate })}`,
      ignore,
      async fn() {
        const call = { m: 70, n, k, transposeA: true, transposeB: false, accumulate };
        ok(chooseVariant({ ...call, split: true, workgroupBytes: 32768 }).slices > 1);
        const run = () => compare(call, lead, matmul);
        assertClose(await run(), await run(), EXACT);
      },
    });
  }

  for (const m of [1, 2, 3, 5, 8]) {
    Deno.test({
      name: `matmul() gives few rows the bits of many ${JSON.stringify({ m, accumulate })}`,
      ignore,
      async fn() {
        for (const { n, k, lead } of [{ n: 13, k: 260, lead: 0 }, { n: 8, k: 131, lead: 2 }]) {
          const call = { m, n, k, transposeA: false, transposeB: true, accumulate };
          const few = await compare(call, lead, matmul);
          const variant = { tile: TILES.small, slices: 1, slice: 272 };
          const tiled = await compare(
            call,
            lead,
            (host, a, b, out, options) => matmulBy(host, a, b, out, variant, options),
          );
          assertClose(few, tiled, EXACT);
        }
      },
    });
  }
}

Deno.test("chooseVariant() cuts k only where it may, and keeps whole steps", () => {
  const long = { m: 704, n: 256, k: 16384, workgroupBytes: 32768 };
  equal(chooseVariant({ ...long, split: false }).slices, 1);
  const { slices, slice } = chooseVariant({ ...long, split: true });
  ok(slices > 1 && slice % 16 === 0 && slices * slice >= long.k && (slices - 1) * slice < long.k);
});

Deno.test("chooseVariant() takes larger tiles for larger products", () => {
  const sizes = [64, 1024, 4096].map((size) =>
    chooseVariant({ m: size, n: size, k: size, split: false, workgroupBytes: 32768 }).tile.TILE_M
  );
  deepEqual(sizes, sizes.toSorted((x, y) => x - y));
  equal(sizes.at(-1), 128);
});

Deno.test("chooseVariant() takes no tile that does not fit", () => {
  const product = { m: 4096, n: 4096, k: 64, split: false };
  const { tile } = chooseVariant({ ...product, workgroupBytes: 16384 });
  equal(tile, TILES.middle);
});
