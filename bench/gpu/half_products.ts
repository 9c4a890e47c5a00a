/** Products of halves on tensor cores, in every way, checked against the f32 product. */

import { matmul } from "../../src/device/gpu/matmul.ts";
import { type HalfOptions, matmulHalf } from "../../src/device/gpu/matmul_half.ts";
import { inputShapes, type MatmulShape, operations, shapeName } from "../matmul_shapes.ts";
import { type Bench, offBy } from "./bench.ts";
import { halvesOf, numbersOf, openHost, timeOn, verdictOf } from "./half_host.ts";
import { wayName } from "./half_search.ts";

type Way = Required<Pick<HalfOptions, "words" | "stages">> & {
  /** Whether a and b were multiplied by something, as in mixed precision. */
  readonly scaled: boolean;
};

/** All of them: there are cliffs, which one choice after another would not come down from. */
const WAYS: readonly Way[] = [false, true].flatMap((scaled) =>
  ([1, 2] as const).flatMap((stages) =>
    ([1, 4] as const).map((words) => ({ scaled, stages, words }))
  )
);

function shapes(small: boolean): MatmulShape[] {
  const size = small ? 256 : 4096;
  const square = { m: size, n: size, k: size };
  return [
    { name: "A·B", ...square },
    { name: "A·Bᵀ", ...square, transposeB: true },
    { name: "Aᵀ·B", ...square, transposeA: true },
    ...small ? [] : [
      { name: "gate", m: 4096, n: 1536, k: 576, transposeB: true },
      { name: "dW = dYᵀ·X", m: 1536, n: 576, k: 4096, transposeA: true },
      { name: "gate", m: 16384, n: 704, k: 256, transposeB: true },
      { name: "dX = dY·W", m: 16384, n: 256, k: 704 },
      { name: "dW = dYᵀ·X", m: 704, n: 256, k: 16384, transposeA: true },
    ],
  ];
}

/** The products of part "half". */
export async function benchHalfProducts(bench: Bench): Promise<void> {
  for (const shape of shapes(bench.small)) {
    const expected = await expectedOf(bench, shape);
    for (const way of WAYS) await trial(bench, shape, expected, way);
  }
}

async function expectedOf(bench: Bench, shape: MatmulShape): Promise<Float32Array> {
  using host = await openHost(bench);
  const inputs = inputShapes(shape);
  using a = halvesOf(host, inputs.a, 1);
  using b = halvesOf(host, inputs.b, 2);
  using out = host.tensor([shape.m, shape.n]);
  matmul(host, a.whole, b.whole, out, shape);
  return await numbersOf(host, out);
}

async function trial(
  bench: Bench,
  shape: MatmulShape,
  expected: Float32Array,
  way: Way,
): Promise<void> {
  const row = { part: "half", name: `product ${shapeName(shape)}: ${wayName(way)}` };
  try {
    using host = await openHost(bench);
    const inputs = inputShapes(shape);
    using a = halvesOf(host, inputs.a, 1);
    using b = halvesOf(host, inputs.b, 2);
    using out = host.tensor([shape.m, shape.n]);
    using most = host.tensor([1], { dtype: "i32" }); // zero: a factor of 1
    const { scaled, ...options } = way;
    const run = () =>
      matmulHalf(host, a.half, b.half, out, {
        ...shape,
        ...options,
        ...scaled ? { most: { a: most, b: most } } : {},
      });
    run();
    const off = offBy(await numbersOf(host, out), expected);
    const { ms, kernels } = await timeOn(host, bench, run);
    const rate = operations(shape) / ms / 1e9;
    bench.report({ ...row, ms, rate, unit: "TFLOP/s", kernels, note: verdictOf(off) });
  } catch (error) {
    bench.report({ ...row, note: `does not run: ${`${error}`.slice(0, 300)}` });
  }
}
