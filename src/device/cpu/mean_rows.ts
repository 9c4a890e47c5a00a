import type { Tensor } from "../device.ts";
import { checkInteger, checkShapes } from "../shapes.ts";
import { checkIndices } from "./gather.ts";
import { type Host, launch } from "./host.ts";

/** out [n, …] = the mean of rows first[i] … first[i] + count − 1 of x [R, …]; asm/mean_rows.ts. */
export function meanRows(
  host: Host,
  x: Tensor,
  first: Tensor,
  out: Tensor,
  { count }: { count: number },
): void {
  const { R, n, X } = checkShapes("meanRows", { x, first, out });
  checkInteger("meanRows", "count", count, [1, R]);
  checkIndices(host, "meanRows", "first", first, [0, R - count + 1]);
  const [xAt, firstAt, outAt] = [host.address(x), host.address(first), host.address(out)];
  launch(host, n * X * count, "meanRows", xAt, firstAt, outAt, n, X, count);
}

/** dX [R, …] at rows first[i] … += dOut[i] / count; asm/mean_rows.ts. */
export function meanRowsBackward(
  host: Host,
  dOut: Tensor,
  first: Tensor,
  dX: Tensor,
  { count }: { count: number },
): void {
  const { R, n, X } = checkShapes("meanRowsBackward", { dOut, first, dX });
  checkInteger("meanRowsBackward", "count", count, [1, R]);
  checkIndices(host, "meanRowsBackward", "first", first, [0, R - count + 1]);
  const [dOutAt, firstAt, dXAt] = [host.address(dOut), host.address(first), host.address(dX)];
  launch(host, n * X * count, "meanRowsBackward", dOutAt, firstAt, dXAt, n, X, count);
}
