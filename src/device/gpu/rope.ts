import source from "../../../wgsl/rope.wgsl" with { type: "text" };
import from from "../../../wgsl/rope_from.wgsl" with { type: "text" };
import inPlace from "../../../wgsl/rope_in_place.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { float, type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("rope", from + source);
const kernelInPlace = wideKernel("rope", inPlace + source);

/** Rotates x [T, …, D] to its positions, without a copy where out is x; wgsl/rope.wgsl. */
export function rope(
  host: GpuHost,
  x: Tensor,
  positions: Tensor,
  rotations: Tensor,
  out: Tensor,
  { inverse = false, ...options }: { inverse?: boolean; accumulate?: boolean } = {},
): void {
  const { T, H, D, P, E } = checkShapes("rope", { x, positions, rotations, out });
  if (D !== 2 * E) {
    throw new RangeError(
      `Cannot run rope as rotations must be f32 [P, D/2, 2] with D = ${D}: ` +
        `current value of D/2 is ${E}`,
    );
  }
  checkIndices(host, "rope", "positions", positions, [0, P]);
  if (T * H * E === 0) return;
  const accumulate = (options.accumulate ?? false) &&
    !host.takesZeros([out], [x, positions, rotations]);
  const wide = widthOf(host, [x, rotations, out], E);
  const launch = {
    constants: { HALF: E / wide, HEADS: H, ACCUMULATE: Number(accumulate) },
    groups: spread(host, Math.ceil(T * H * E / wide / 256)),
  };
  const params = [T, float(inverse ? -1 : 1)];
  const tensors = [positions, rotations, out];
  const at = host.offset(x);
  if (host.shares(x, out) && at === host.offset(out)) {
    host.run(kernelInPlace[wide], { ...launch, tensors, params: [at, ...params] });
  } else {
    host.run(kernel[wide], { ...launch, tensors: [...tensors, x], params });
  }
}
