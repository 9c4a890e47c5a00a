import source from "../../../wgsl/matmul_f16_tensor.wgsl" with { type: "text" };
import tiles from "../../../wgsl/matmul_f16_tiles.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import type { GpuHost } from "./host.ts";

const kernel = { name: "matmul_f16_tensor", source: tiles + source };

/** Rows and columns of a workgroup's tile, and its steps of k. */
const TILE = 128;
const TILE_K = 32;
/** Numbers read at once. */
const EIGHT = 8;

/** Whether the GPU has what {@linkcode matmulHalf} is made for. */
export function hasMatmulHalf({ features, limits }: GpuHost): boolean {
  const { subgroupMatrix, f16, subgroups } = features;
  return subgroupMatrix && f16 && subgroups !== undefined && subgroups.min <= 32 &&
    subgroups.max >= 32 && bytes(1, false) <= limits.workgroupBytes;
}

/**
 * out f32 [m, n] = a f16 [m, k] · b f16 [k, n], or [n, k] transposed, summed in f32 by tensor cores;
 * wgsl/matmul_f16_tensor.wgsl. Rows of a and b are multiples of eight numbers long.
 */
export function matmulHalf(
  host: GpuHost,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  { transposeB = false }: { transposeB?: boolean } = {},
): void {
  const patterns = { a: "f16 m k", b: transposeB ? "f16 n k" : "f16 k n", out: "f32 m n" };
  const { m, n, k } = matchShapes("matmulHalf", patterns, { a, b, out });
  checkEights("rows of a", k);
  checkEights("rows of b", transposeB ? k : n);
  checkEights("the offset of a", host.offset(a));
  checkEights("the offset of b", host.offset(b));
  if (m * n === 0) return;
  host.run(kernel, {
    tensors: [a, b, out],
    params: [m, n, k],
    constants: {
      enable: "f16, subgroups, chromium_experimental_subgroup_matrix",
      TRANSPOSE_B: Number(transposeB),
      DIRECT: Number(n % 4 === 0 && host.offset(out) % 4 === 0),
      STAGES: bytes(2, transposeB) <= host.limits.workgroupBytes ? 2 : 1,
    },
    groups: [Math.ceil(n / TILE), Math.ceil(m / TILE)],
  });
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
function bytes(stages: number, transposeB: boolean): number {
  const long = TILE * (TILE_K + 8);
  const wide = TILE_K * (TILE + 8);
  return stages * (long + (transposeB ? long : wide)) * 2 + 4 * 256 * 4;
}
