import eights from "../../../wgsl/matmul_f16_eights.wgsl" with { type: "text" };
import factor from "../../../wgsl/half_factor.wgsl" with { type: "text" };
import plain from "../../../wgsl/matmul_f16_plain.wgsl" with { type: "text" };
import scaled from "../../../wgsl/matmul_f16_scaled.wgsl" with { type: "text" };
import source from "../../../wgsl/matmul_f16_tensor.wgsl" with { type: "text" };
import tiles from "../../../wgsl/matmul_f16_tiles.wgsl" with { type: "text" };
import words from "../../../wgsl/matmul_f16_words.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import type { GpuHost } from "./host.ts";
import { type MatmulOptions, sumSlices } from "./matmul.ts";

const name = "matmul_f16_tensor";
const KERNELS = {
  plain: kernels(plain),
  scaled: kernels(factor + scaled),
};

function kernels(scale: string) {
  const kernel = (read: string) => ({ name, source: read + scale + tiles + source });
  return { 1: kernel(words), 4: kernel(eights) };
}

/** Rows and columns of a workgroup's tile, and its steps of k. */
const TILE = 128;
const TILE_K = 32;
/** Workgroups that keep a large GPU busy, and the fewest steps that are worth a sum. */
const BUSY = 264;
const LEAST_SLICE = 8;
/** Numbers read at once. */
const EIGHT = 8;

/** The features of WGSL that kernels for tensor cores begin with. */
export const TENSOR_CORES = "f16, subgroups, chromium_experimental_subgroup_matrix";

/** How the kernel is written, beside what shapes ask for. */
export interface HalfOptions extends MatmulOptions {
  /** Words that a thread reads at once. @default {1; 4 for a · b with `most`} */
  words?: 1 | 4;
  /** Tiles in workgroup memory, where two fit. @default {1} */
  stages?: 1 | 2;
  /** What a and b were multiplied by, as `toHalves` leaves it: i32 [1]. @default {nothing} */
  most?: { readonly a: Tensor; readonly b: Tensor } | undefined;
}

/** Whether the GPU has tensor cores, in subgroups of 32, and `bytes` of workgroup memory. */
export function hasTensorCores({ features, limits }: GpuHost, bytes: number): boolean {
  const { subgroupMatrix, f16, subgroups } = features;
  return subgroupMatrix && f16 && subgroups !== undefined && subgroups.min <= 32 &&
    subgroups.max >= 32 && bytes <= limits.workgroupBytes;
}

/** Whether the GPU has what {@linkcode matmulHalf} is made for. */
export function hasMatmulHalf(host: GpuHost): boolean {
  return hasTensorCores(host, bytesOf(1, { transposeB: true }));
}

/**
 * out f32 [m, n] = a f16 [m, k] · b f16 [k, n], or [k, m] and [n, k] transposed, summed in f32 by
 * tensor cores; wgsl/matmul_f16_tensor.wgsl. Rows of a and b are multiples of eight numbers long.
 */
export function matmulHalf(
  host: GpuHost,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  options: HalfOptions = {},
): void {
  const { transposeA = false, transposeB = false, most } = options;
  // As an H100 has them fastest; of this one, word by word, its compiler makes a slow kernel.
  const { words = most && !transposeA && !transposeB ? 4 : 1 } = options;
  const patterns = {
    a: transposeA ? "f16 k m" : "f16 m k",
    b: transposeB ? "f16 n k" : "f16 k n",
    out: "f32 m n",
  };
  const { m, n, k } = matchShapes("matmulHalf", patterns, { a, b, out });
  checkEights("rows of a", transposeA ? m : k);
  checkEights("rows of b", transposeB ? k : n);
  checkEights("the offset of a", host.offset(a));
  checkEights("the offset of b", host.offset(b));
  if (m * n === 0) return;
  const accumulate = (options.accumulate ?? false) && !host.takesZeros([out], [a, b]);
  const tiles = {
    groups: [Math.ceil(n / TILE), Math.ceil(m / TILE)],
    steps: Math.max(1, Math.ceil(k / TILE_K)), // without any k the product is zeros
  };
  // As in matmul(), only what need not give the same bits in another number of rows.
  const slice = transposeA ? sliceOf(tiles) : tiles.steps;
  const slices = Math.ceil(tiles.steps / slice);
  const run = (to: Tensor, accumulate: boolean): void =>
    host.run(KERNELS[most ? "scaled" : "plain"][words], {
      tensors: [a, b, to, ...most ? [most.a, most.b] : []],
      params: [m, n, k, slice],
      constants: {
        enable: TENSOR_CORES,
        WORDS: words,
        TRANSPOSE_A: Number(transposeA),
        TRANSPOSE_B: Number(transposeB),
        ACCUMULATE: Number(accumulate),
        DIRECT: Number(n % 4 === 0 && host.offset(to) % 4 === 0),
        STAGES: bytesOf(2, options) <= host.limits.workgroupBytes ? options.stages ?? 1 : 1,
      },
      groups: [tiles.groups[0], tiles.groups[1], slices],
    });
  if (slices <= 1) return run(out, accumulate);
  using parts = host.tensor([slices, m, n], { zero: false });
  run(parts, false);
  sumSlices(host, parts, out, accumulate);
}

/** Steps of a slice, so many that a large GPU is busy and the sums afterwards are few. */
function sliceOf({ groups: [columns, rows], steps }: { groups: number[]; steps: number }): number {
  const wanted = Math.floor(BUSY / (columns * rows));
  const slices = Math.max(1, Math.min(wanted, Math.floor(steps / LEAST_SLICE)));
  return Math.max(1, Math.ceil(steps / slices));
}

/** @throws {RangeError} If a length is no multiple of what is read at once. */
function checkEights(name: string, length: number): void {
  if (length % EIGHT === 0) return;
  throw new RangeError(
    `Cannot run matmulHalf as ${name} must be a multiple of ${EIGHT} numbers: ` +
      `current value is ${length}`,
  );
}

/** Bytes of a workgroup's tiles, and of the squares that go to an edge. */
function bytesOf(stages: number, { transposeA, transposeB }: MatmulOptions): number {
  const [long, wide] = [TILE * (TILE_K + 8), TILE_K * (TILE + 8)];
  return stages * ((transposeA ? wide : long) + (transposeB ? long : wide)) * 2 + 4 * 256 * 4;
}
