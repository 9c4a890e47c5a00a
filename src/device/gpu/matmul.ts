import tileSource from "../../../wgsl/matmul.wgsl" with { type: "text" };
import readFours from "../../../wgsl/matmul_read_fours.wgsl" with { type: "text" };
import readOnes from "../../../wgsl/matmul_read_ones.wgsl" with { type: "text" };
import rowsSource from "../../../wgsl/matmul_rows.wgsl" with { type: "text" };
import sumSource from "../../../wgsl/matmul_sum.wgsl" with { type: "text" };
import writeFours from "../../../wgsl/matmul_write_fours.wgsl" with { type: "text" };
import writeOnes from "../../../wgsl/matmul_write_ones.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import { type GpuHost, spread } from "./host.ts";
import type { Kernel } from "./kernel.ts";
import { chooseVariant, type Tile, tileBytes, type Variant } from "./matmul_variants.ts";

/** Kernels of one name, by whether four numbers are read, and written, at once. */
function tileKernel(fours: { read: boolean; write: boolean }): Kernel {
  const read = fours.read ? readFours : readOnes;
  const write = fours.write ? writeFours : writeOnes;
  return { name: "matmul", source: read + write + tileSource };
}

const tileKernels = [
  [tileKernel({ read: false, write: false }), tileKernel({ read: false, write: true })],
  [tileKernel({ read: true, write: false }), tileKernel({ read: true, write: true })],
];
const rowsKernels: readonly Kernel[] = [
  { name: "matmul_rows", source: readOnes + rowsSource },
  { name: "matmul_rows", source: readFours + rowsSource },
];
const sumKernel: Kernel = { name: "matmul_sum", source: sumSource };

/** With no more rows than this, b's numbers are read once and used at once. */
const FEW_ROWS = 8;
/** Columns that a workgroup of matmul_rows makes. */
const COLUMNS = 8;

/** Options of {@linkcode matmul}. */
export interface MatmulOptions {
  transposeA?: boolean;
  transposeB?: boolean;
  accumulate?: boolean;
}

/** A product with its shapes checked. */
interface Call {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly out: Tensor;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
  readonly accumulate: boolean;
}

/** out [m, n] = a [m, k] · b [k, n]; transposed inputs are [k, m] and [n, k]; wgsl/matmul.wgsl. */
export function matmul(
  host: GpuHost,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  options: MatmulOptions = {},
): void {
  const checkedCall = checked(a, b, out, options);
  const { m, n, k, transposeA, transposeB } = checkedCall;
  if (m * n === 0) return;
  const accumulate = checkedCall.accumulate && !host.takesZeros([out], [a, b]);
  const call = { ...checkedCall, accumulate };
  if (m <= FEW_ROWS && transposeB && !transposeA) return fewRows(host, call);
  // A row of a that lies along k must give the same bits whatever the number of rows, and so be
  // summed in one piece; those of gradients, dW = dYᵀ·X, need not be.
  const { workgroupBytes } = host.limits;
  run(host, call, chooseVariant({ m, n, k, split: transposeA, workgroupBytes }));
}

/** The product by tiles in one given way; what {@linkcode matmul} chooses depends on the shape. */
export function matmulBy(
  host: GpuHost,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  variant: Variant,
  options: MatmulOptions = {},
): void {
  run(host, checked(a, b, out, options), variant);
}

function checked(a: Tensor, b: Tensor, out: Tensor, options: MatmulOptions): Call {
  const { transposeA = false, transposeB = false, accumulate = false } = options;
  const patterns = {
    a: transposeA ? "f32 k m" : "f32 m k",
    b: transposeB ? "f32 n k" : "f32 k n",
    out: "f32 m n",
  };
  const { m, n, k } = matchShapes("matmul", patterns, { a, b, out });
  return { a, b, out, m, n, k, transposeA, transposeB, accumulate };
}

function run(host: GpuHost, call: Call, { tile, slices, slice }: Variant): void {
  if (slices === 1) return runTiles(host, call, { tile, slices, slice });
  const { m, n, out, accumulate } = call;
  using parts = host.tensor([slices, m, n], { zero: false });
  runTiles(host, { ...call, out: parts, accumulate: false }, { tile, slices, slice });
  sumSlices(host, parts, out, accumulate);
}

/** out [m, n] = the sum of parts [slices, m, n], or += it; wgsl/matmul_sum.wgsl. */
export function sumSlices(host: GpuHost, parts: Tensor, out: Tensor, accumulate: boolean): void {
  const [slices, m, n] = parts.shape;
  host.run(sumKernel, {
    tensors: [parts, out],
    params: [m * n, slices],
    constants: { ACCUMULATE: Number(accumulate) },
    groups: spread(host, Math.ceil(m * n / 256)),
  });
}

function runTiles(host: GpuHost, call: Call, { tile, slices, slice }: Variant): void {
  const { a, b, out, m, n, k, transposeA, transposeB, accumulate } = call;
  const readsFours = startsAtFour(host, a, transposeA ? m : k) &&
    startsAtFour(host, b, transposeB ? k : n);
  const writesFours = startsAtFour(host, out, n);
  host.run(tileKernels[Number(readsFours)][Number(writesFours)], {
    tensors: [a, b, out],
    params: [m, n, k, slice],
    constants: {
      ...constantsOf(tile),
      STAGES: tileBytes(tile, 2) <= host.limits.workgroupBytes ? 2 : 1,
      TRANSPOSE_A: Number(transposeA),
      TRANSPOSE_B: Number(transposeB),
      ACCUMULATE: Number(accumulate),
    },
    groups: [Math.ceil(n / tile.TILE_N), Math.ceil(m / tile.TILE_M), slices],
  });
}

function fewRows(host: GpuHost, { a, b, out, m, n, k, accumulate }: Call): void {
  const fours = startsAtFour(host, a, k) && startsAtFour(host, b, k);
  host.run(rowsKernels[Number(fours)], {
    tensors: [a, b, out],
    params: [m, n, k],
    constants: { ROWS: 2 ** Math.ceil(Math.log2(m)), ACCUMULATE: Number(accumulate) },
    groups: spread(host, Math.ceil(n / COLUMNS)),
  });
}

/** Whether every row of a tensor begins at a multiple of four numbers of its buffer. */
function startsAtFour(host: GpuHost, tensor: Tensor, width: number): boolean {
  return width % 4 === 0 && host.offset(tensor) % 4 === 0;
}

function constantsOf({ TILE_M, TILE_N, ROW_QUADS, COLUMN_QUADS }: Tile): Record<string, number> {
  return { TILE_M, TILE_N, ROW_QUADS, COLUMN_QUADS };
}
