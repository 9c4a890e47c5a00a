import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { type Host, launch } from "./host.ts";

/** out [T, C] = x / √(mean(x²) + epsilon) · weight [C]; asm/rms_norm.ts. */
export function rmsNorm(
  host: Host,
  x: Tensor,
  weight: Tensor,
  out: Tensor,
  { epsilon }: { epsilon: number },
): void {
  const { T, C } = checkShapes("rmsNorm", { x, weight, out });
  const [xAt, weightAt, outAt] = [host.address(x), host.address(weight), host.address(out)];
  launch(host, T * C, "rmsNorm", xAt, weightAt, outAt, T, C, epsilon);
}

/** Adds to dX [T, C], then, with the norms found on the way, to dWeight [C]; asm/rms_norm.ts. */
export function rmsNormBackward(
  host: Host,
  x: Tensor,
  weight: Tensor,
  dOut: Tensor,
  dX: Tensor,
  dWeight: Tensor,
  { epsilon }: { epsilon: number },
): void {
  const { T, C } = checkShapes("rmsNormBackward", { x, weight, dOut, dX, dWeight });
  const [xAt, weightAt, dOutAt] = [host.address(x), host.address(weight), host.address(dOut)];
  const [dXAt, dWeightAt] = [host.address(dX), host.address(dWeight)];
  const inverses = host.scratch(T * 4);
  const work = 2 * T * C;
  launch(host, work, "rmsNormBackward", xAt, weightAt, dOutAt, dXAt, inverses, T, C, epsilon);
  launch(host, work, "rmsNormBackwardWeight", xAt, dOutAt, inverses, dWeightAt, T, C);
}
