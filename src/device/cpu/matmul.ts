import type { Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import { type Host, launch } from "./host.ts";

/** Multiplications that take as long as touching one element does elsewhere. */
const PRODUCTS_PER_ELEMENT = 16;

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
  launch(
    host,
    m * n * k / PRODUCTS_PER_ELEMENT,
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
