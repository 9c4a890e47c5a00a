/**
 * The matrix product on one thread and on two, in GFLOP/s, every round shown:
 *
 *   deno task bench:threads [ROUNDS]
 *
 * A round opens a device, and takes for each shape the median of 30 groups of products after a
 * tenth of a second to warm up. Each round also says what two processes of one thread each reach
 * together at the square shape: what the machine itself gives two threads at that time, as a virtual
 * one's cores may be the two halves of one. The last column is the median ratio.
 */
import { openDevice } from "../src/device/open.ts";
import {
  inputShapes,
  MATMUL_SHAPES,
  type MatmulShape,
  operations,
  shapeName,
} from "./matmul_shapes.ts";

if (Deno.args[0] === "alone") await runAlone();
const rounds = Number(Deno.args[0] ?? 3);
const apart: number[] = [];
const shapes = [MATMUL_SHAPES.square, MATMUL_SHAPES.reading, MATMUL_SHAPES.training].flat();
const rates = new Map(shapes.map((shape) => [shape, { 1: [] as number[], 2: [] as number[] }]));

for (let round = 0; round < rounds; round++) {
  apart.push(await rateApart());
  for (const threads of [1, 2] as const) {
    using device = await openDevice({ device: "cpu", threads });
    for (const shape of shapes) {
      const { a, b } = inputShapes(shape);
      using left = device.tensor(a, { data: noise(a[0] * a[1]) });
      using right = device.tensor(b, { data: noise(b[0] * b[1]) });
      using out = device.tensor([shape.m, shape.n]);
      rates.get(shape)![threads].push(rateOf(shape, () => device.matmul(left, right, out, shape)));
    }
  }
}

for (const [shape, { 1: one, 2: two }] of rates) {
  const ratio = median(one.map((rate, round) => two[round] / rate));
  const cells = (list: number[]): string => list.map((x) => x.toFixed(0).padStart(4)).join("");
  console.log(`${shapeName(shape).padEnd(28)}${cells(one)} |${cells(two)} | ${ratio.toFixed(2)}`);
}

console.log(`two processes of one thread, together: ${apart.map((x) => x.toFixed(0)).join(" ")}`);

/** The square product in two processes at once. */
async function rateApart(): Promise<number> {
  const script = new URL(import.meta.url).pathname;
  const args = ["run", "-A", script, "alone"];
  const both = [1, 2].map(() =>
    new Deno.Command(Deno.execPath(), { args, stderr: "null" }).output()
  );
  const outputs = await Promise.all(both);
  return outputs.reduce((sum, { stdout }) => sum + Number(new TextDecoder().decode(stdout)), 0);
}

/** What `rateApart` runs: two seconds of the square product on one thread. */
async function runAlone(): Promise<never> {
  const [shape] = MATMUL_SHAPES.square;
  using device = await openDevice({ device: "cpu", threads: 1 });
  const { a, b } = inputShapes(shape);
  using left = device.tensor(a, { data: noise(a[0] * a[1]) });
  using right = device.tensor(b, { data: noise(b[0] * b[1]) });
  using out = device.tensor([shape.m, shape.n]);
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < 2000; count++) device.matmul(left, right, out, shape);
  console.log(count * operations(shape) / (performance.now() - start) / 1e6);
  Deno.exit();
}

function rateOf(shape: MatmulShape, run: () => void): number {
  for (const end = performance.now() + 100; performance.now() < end;) run();
  const count = Math.ceil(2e8 / operations(shape));
  const times = Array.from({ length: 30 }, () => {
    const start = performance.now();
    for (let i = 0; i < count; i++) run();
    return performance.now() - start;
  });
  return count * operations(shape) / median(times) / 1e6;
}

function median(list: number[]): number {
  return list.toSorted((a, b) => a - b)[list.length >> 1];
}

function noise(length: number): Float32Array {
  return Float32Array.from({ length }, () => Math.random() - 0.5);
}
