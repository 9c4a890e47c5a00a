/** The matrix product: large ones, and the embedded model's. */

import { inputShapes, MATMUL_SHAPES, type MatmulShape, shapeName } from "../matmul_shapes.ts";
import { operations } from "../matmul_shapes.ts";
import { type Bench, gpuTime, noisy } from "./bench.ts";

/** Of a Llama-shaped model with 135 million parameters, 4096 tokens. */
const LLAMA: readonly MatmulShape[] = [
  { name: "gate", m: 4096, n: 1536, k: 576, transposeB: true },
  { name: "down", m: 4096, n: 576, k: 1536, transposeB: true },
  { name: "dW = dYᵀ·X", m: 1536, n: 576, k: 4096, transposeA: true, accumulate: true },
  { name: "logits", m: 4096, n: 49152, k: 576, transposeB: true },
];

function shapes(small: boolean): MatmulShape[] {
  const size = small ? 256 : 4096;
  const square = { m: size, n: size, k: size };
  return [
    { name: "A·B", ...square },
    { name: "A·Bᵀ", ...square, transposeB: true },
    { name: "Aᵀ·B", ...square, transposeA: true },
    ...small ? MATMUL_SHAPES.reading : [...Object.values(MATMUL_SHAPES).flat(), ...LLAMA],
  ];
}

/** Part "matmul". */
export async function benchMatmul(bench: Bench): Promise<void> {
  using device = await bench.open(true);
  for (const shape of shapes(bench.small)) {
    const name = shapeName(shape);
    if (!bench.wanted(name)) continue;
    const inputs = inputShapes(shape);
    using a = noisy(device, inputs.a, 1);
    using b = noisy(device, inputs.b, 2);
    using out = device.tensor([shape.m, shape.n]);
    const { ms, kernels } = await gpuTime(device, bench, () => device.matmul(a, b, out, shape));
    const rate = operations(shape) / ms / 1e9;
    bench.report({ part: "matmul", name, ms, rate, unit: "TFLOP/s", kernels });
  }
}
