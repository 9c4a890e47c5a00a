import type { Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import { type Host, runParts } from "./host.ts";

/** Multiplications that take as long as touching one element does elsewhere. */
const PRODUCTS_PER_ELEMENT = 16;
/**
 * Rows and columns of a part, at least, where work is shared: each packs what it reads of a and of b,
 * which is to be read often. With 32 columns each, a 256×256×256 took a fifth longer.
 */
const LEAST_SIDE = 128;

/** out [m, n] = a [m, k] · b [k, n]; transposed inputs are [k, m] and [n, k]; asm/matmul.ts. */
export function matmul(
  host: Host,
  a: Tensor,
  b: Tensor,
  out: Tensor,
  options: { transposeA?: boolean; transposeB?: boolean; accumulate?: boolean } = {},
): void {
  const { transposeA = false, transposeB = false, accumulate = false } = options;
  const patterns = {
    a: transposeA ? "f32 k m" : "f32 m k",
    b: transposeB ? "f32 n k" : "f32 k n",
    out: "f32 m n",
  };
  const { m, n, k } = matchShapes("matmul", patterns, { a, b, out });
  const [aRow, aStep] = transposeA ? [4, 4 * m] : [4 * k, 4];
  const [bStep, bColumn] = transposeB ? [4, 4 * k] : [4 * n, 4];
  const most = Math.floor(m / LEAST_SIDE) * Math.floor(n / LEAST_SIDE);
  const parts = host.partsOf(m * n * k / PRODUCTS_PER_ELEMENT);
  runParts(
    host,
    Math.min(parts, Math.max(host.threads, most)),
    "matmul",
    host.address(a),
    aRow,
    aStep,
    host.address(b),
    bStep,
    bColumn,
    host.address(out),
    m,
    n,
    k,
    Number(accumulate),
    host.scratch(host.threads * host.call("matmulScratch")),
  );
}
