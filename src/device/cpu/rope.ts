import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { checkIndices } from "./gather.ts";
import { type Host, launch } from "./host.ts";

/** Rotates x [T, …, D] to its positions; asm/rope.ts. */
export function rope(
  host: Host,
  x: Tensor,
  positions: Tensor,
  rotations: Tensor,
  out: Tensor,
  { inverse = false, accumulate = false }: { inverse?: boolean; accumulate?: boolean } = {},
): void {
  const { T, H, D, P, E } = checkShapes("rope", { x, positions, rotations, out });
  if (D !== 2 * E) {
    throw new RangeError(
      `Cannot run rope as rotations must be f32 [P, D/2, 2] with D = ${D}: ` +
        `current value of D/2 is ${E}`,
    );
  }
  checkIndices(host, "rope", "positions", positions, [0, P]);
  const [xAt, positionsAt] = [host.address(x), host.address(positions)];
  const [rotationsAt, outAt] = [host.address(rotations), host.address(out)];
  const options = [inverse ? -1 : 1, Number(accumulate)];
  launch(host, T * H * D, "rope", xAt, positionsAt, rotationsAt, outAt, T, H, D, ...options);
}
