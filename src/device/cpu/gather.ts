import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { type Host, launch } from "./host.ts";

/** out [n, …] = x [R, …] at rows [n]; asm/gather.ts. */
export function gather(host: Host, x: Tensor, rows: Tensor, out: Tensor): void {
  const { R, n, X } = checkShapes("gather", { x, rows, out });
  checkIndices(host, "gather", "rows", rows, [0, R]);
  const [xAt, rowsAt, outAt] = [host.address(x), host.address(rows), host.address(out)];
  launch(host, n * X, "gather", xAt, rowsAt, outAt, n, X);
}

/** dX [R, …] at rows[i] += dOut[i]; asm/gather.ts. */
export function gatherBackward(host: Host, dOut: Tensor, rows: Tensor, dX: Tensor): void {
  const { R, n, X } = checkShapes("gatherBackward", { dOut, rows, dX });
  checkIndices(host, "gatherBackward", "rows", rows, [0, R]);
  const [dOutAt, rowsAt, dXAt] = [host.address(dOut), host.address(rows), host.address(dX)];
  launch(host, n * X, "gatherBackward", dOutAt, rowsAt, dXAt, n, X);
}

/** @throws {RangeError} If one of the indices lies outside [low, high): it would reach foreign memory. */
export function checkIndices(
  host: Host,
  operation: string,
  name: string,
  indices: Tensor,
  [low, high]: readonly [number, number],
): void {
  const count = indices.shape.reduce((product, length) => product * length, 1);
  const at = host.address(indices);
  const i = host.call("findOutside", at, count, low, high) >>> 0;
  if (i === count) return;
  throw new RangeError(
    `Cannot run ${operation} as ${name} must be in [${low}, ${high}): ` +
      `current value is ${host.i32(at, count)[i]}, at ${i}`,
  );
}
