/**
 * The matrix product beside onnxruntime-web and jax-js, in one run, in turns:
 *
 *   deno task bench:matmul [--threads 1] [--rounds 9] [--group reading]
 *
 * A table of GFLOP/s, medians of the rounds; packing and the libraries' own overhead included.
 */
import { parseArgs } from "node:util";
import {
  inputShapes,
  MATMUL_SHAPES,
  type MatmulShape,
  operations,
  shapeName,
} from "./matmul_shapes.ts";
import { openCairn } from "./peers/cairn_matmul.ts";
import { openJax } from "./peers/jax_matmul.ts";
import { openOnnx } from "./peers/onnx_matmul.ts";
import type { Peer, Product } from "./peers/peer.ts";

/** Operations of a round; the first one only warms up (engines optimize as code runs). */
const ROUND_OPERATIONS = 1e8;
/** Largest difference from our own result that still is the same product, for inputs of ±0.5. */
const SAME = 1e-3;

const { values: options } = parseArgs({
  options: {
    threads: { type: "string", default: "1" },
    rounds: { type: "string", default: "9" },
    group: { type: "string" },
  },
});
const threads = Number(options.threads);
const rounds = Number(options.rounds);

const peers: Peer[] = [];
/** Why one could not run, by its name. */
const refusals = new Map<string, string>();
for (const open of [openCairn, openOnnx, openJax]) {
  try {
    peers.push(await open(threads));
  } catch (error) {
    refusals.set(open.name, String(error));
  }
}
console.log(`f32 products m×n×k, GFLOP/s, medians of ${rounds} rounds, threads ${threads}`);
printRow("", peers.map(({ name }) => name));
for (const [group, shapes] of Object.entries(MATMUL_SHAPES)) {
  if (options.group !== undefined && options.group !== group) continue;
  console.log(group);
  for (const shape of shapes) printRow(`  ${shapeName(shape)}`, await measure(shape));
}
for (const [name, reason] of refusals) console.log(`${name} cannot run: ${reason}`);
// Peers leave workers running.
Deno.exit(0);

function printRow(title: string, cells: readonly string[]): void {
  console.log(title.padEnd(30) + cells.map((cell) => cell.padStart(24)).join(""));
}

/** GFLOP/s of each peer, or a word where there is no number. */
async function measure(shape: MatmulShape): Promise<string[]> {
  const { a: aShape, b: bShape } = inputShapes(shape);
  const [a, b] = [random(aShape), random(bShape)];
  const products = await Promise.all(peers.map((peer) => prepare(peer, shape, a, b)));
  const count = Math.ceil(ROUND_OPERATIONS / operations(shape));
  const times = products.map((): number[] => []);
  for (let round = 0; round <= rounds; round++) {
    for (const [i, product] of products.entries()) {
      if (!product) continue;
      const start = performance.now();
      await product.run(count);
      if (round > 0) times[i].push((performance.now() - start) / count);
    }
  }
  const wrong = await Promise.all(products.map((product) => differs(product, products[0])));
  return products.map((product, i) => {
    if (!product) return "–";
    product[Symbol.dispose]();
    return wrong[i] ? "wrong" : (operations(shape) / median(times[i]) / 1e6).toFixed(1);
  });
}

async function prepare(
  peer: Peer,
  shape: MatmulShape,
  a: Float32Array<ArrayBuffer>,
  b: Float32Array<ArrayBuffer>,
): Promise<Product | undefined> {
  try {
    return await peer.prepare(shape, a, b);
  } catch (error) {
    refusals.set(peer.name, String(error));
    return undefined;
  }
}

async function differs(product: Product | undefined, other: Product | undefined): Promise<boolean> {
  if (!product || !other) return false;
  const [x, y] = [await product.read(), await other.read()];
  for (let i = 0; i < y.length; i++) if (!(Math.abs(x[i] - y[i]) <= SAME)) return true;
  return x.length !== y.length;
}

function random([rows, columns]: readonly number[]): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: rows * columns }, () => Math.random() - 0.5);
}

function median(times: readonly number[]): number {
  return times.toSorted((x, y) => x - y)[times.length >> 1];
}
