/** The matrix product by shape and number of threads: `deno bench -A bench/matmul_bench.ts`. */
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import type { Device, Tensor } from "../src/device/device.ts";
import { inputShapes, MATMUL_SHAPES, shapeName } from "./matmul_shapes.ts";

const devices = await Promise.all([1, 2].map((threads) => openCpuDevice({ threads })));

for (const shape of Object.values(MATMUL_SHAPES).flat()) {
  const shapes = inputShapes(shape);
  for (const device of devices) {
    const { threads } = device.info;
    const a = randomTensor(device, shapes.a);
    const b = randomTensor(device, shapes.b);
    const out = device.tensor([shape.m, shape.n]);
    Deno.bench({
      name: threads === 1 ? "1 thread" : `${threads} threads`,
      group: shapeName(shape),
      baseline: threads === 1,
      fn: () => device.matmul(a, b, out, shape),
    });
  }
}

function randomTensor(device: Device, [rows, columns]: readonly [number, number]): Tensor {
  const data = Float32Array.from({ length: rows * columns }, () => Math.random() - 0.5);
  return device.tensor([rows, columns], { data });
}
