import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { type Host, launch } from "./host.ts";

/** out [1] += Σ x²: sums of fixed chunks, added in their order; asm/sum_squares.ts. */
export function sumSquares(host: Host, x: Tensor, out: Tensor): void {
  const { X } = checkShapes("sumSquares", { x, out });
  const chunks = host.call("sumSquaresChunks", X);
  const sums = host.scratch(chunks * 8);
  launch(host, X, "sumSquares", host.address(x), sums, X);
  host.call("addSums", sums, host.address(out), chunks);
}
