/** Whether what is measured is right: the golden cases, and large shapes beside the CPU device. */

import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import type { Device, Tensor } from "../../src/device/device.ts";
import { checkGolden, goldenFiles, readGolden } from "../../tests/golden/golden.ts";
import { attentionName, attentionOf, type AttentionShape } from "./attention.ts";
import { type Bench, noisy } from "./bench.ts";

/** Part "check": a row for each case; `wrong` tells whether one was outside of its bounds. */
export async function check(bench: Bench): Promise<void> {
  using device = await bench.open(false);
  for (const path of goldenFiles(bench.golden)) {
    const golden = await readGolden(path);
    if (!bench.wanted(golden.name)) continue;
    const outcomes = await checkGolden(device, golden);
    const worst = Math.max(...outcomes.map(({ error }) => error));
    const right = outcomes.every(({ withinBounds }) => withinBounds);
    bench.report({ part: "check", name: golden.name, note: verdict(right, worst) });
  }
  using cpu = await openCpuDevice();
  for (const shape of attentionShapes(bench.small)) {
    await compareAttention(bench, cpu, device, shape);
  }
  await compareProducts(bench, cpu, device);
}

function verdict(right: boolean, worst: number): string {
  return `${right ? "right" : "WRONG"}, largest error ${worst.toExponential(1)}`;
}

function attentionShapes(small: boolean): AttentionShape[] {
  const base = { B: 1, H: 8, G: 8, D: 64, M: 64 };
  if (small) return [{ ...base, H: 2, G: 1, T: 256 }];
  return [
    { ...base, T: 8192 },
    { ...base, T: 8192, M: Infinity },
    { ...base, T: 8192, G: 2, M: 51 },
    { ...base, T: 8192, M: 2 },
    { ...base, T: 8192, M: 512 },
    { ...base, T: 4096, D: 128 },
    { ...base, B: 4, T: 1024, D: 32, M: 16 },
  ];
}

type Numbers = ArrayLike<number>;

/** The same on both devices. Sums over thousands of keys differ by more than golden cases do. */
async function compareAttention(
  bench: Bench,
  cpu: Device,
  gpu: Device,
  shape: AttentionShape,
): Promise<void> {
  const name = `${attentionName(shape)} beside the CPU`;
  if (!bench.wanted(name)) return;
  const results = async (device: Device): Promise<Map<string, Numbers>> => {
    using stack = new DisposableStack();
    const { out, gradients, forward, backward } = attentionOf(device, shape, stack);
    forward();
    backward();
    const read = new Map<string, Numbers>();
    for (const [key, tensor] of Object.entries({ out, ...gradients }) as [string, Tensor][]) {
      read.set(key, await device.read(tensor));
    }
    return read;
  };
  const expected = await results(cpu);
  const actual = await results(gpu);
  for (const [key, numbers] of expected) {
    compare(bench, `${name}: ${key}`, actual.get(key)!, numbers, key === "out" ? 1e-5 : 1e-4);
  }
}

async function compareProducts(bench: Bench, cpu: Device, gpu: Device): Promise<void> {
  const [m, n, k] = bench.small ? [65, 67, 130] : [1027, 1031, 2050];
  for (
    const [name, options] of [
      ["A·B", {}],
      ["A·Bᵀ", { transposeB: true }],
      ["Aᵀ·B", { transposeA: true }],
    ] as const
  ) {
    if (!bench.wanted(`${name} beside the CPU`)) continue;
    const product = async (device: Device): Promise<Numbers> => {
      using a = noisy(device, "transposeA" in options ? [k, m] : [m, k], 1);
      using b = noisy(device, "transposeB" in options ? [n, k] : [k, n], 2);
      using out = device.tensor([m, n]);
      device.matmul(a, b, out, options);
      return await device.read(out);
    };
    const expected = await product(cpu);
    compare(bench, `${name} ${m}×${n}×${k} beside the CPU`, await product(gpu), expected, 1e-4);
  }
}

/** `bound` is absolute and relative. */
function compare(
  bench: Bench,
  name: string,
  actual: Numbers,
  expected: Numbers,
  bound: number,
): void {
  let [worst, right] = [0, true];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]);
    worst = Math.max(worst, error);
    right &&= error <= bound + bound * Math.abs(expected[i]);
  }
  bench.report({ part: "check", name, note: verdict(right, worst) });
}
