import combineLanes from "../../../wgsl/combine_lanes.wgsl" with { type: "text" };
import source from "../../../wgsl/sum_squares.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { addRows } from "./add_rows.ts";
import type { GpuHost } from "./host.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("sum_squares", combineLanes + source);

/** Stretches at most, each a workgroup's; and the least numbers of one, a multiple of four. */
const STRETCHES = 1024;
const LEAST = 8192;

/** out [1] += Σ x², in an order that follows from the size alone; wgsl/sum_squares.wgsl. */
export function sumSquares(host: GpuHost, x: Tensor, out: Tensor): void {
  const { X } = checkShapes("sumSquares", { x, out });
  if (X === 0) return;
  const stretch = Math.max(LEAST, Math.ceil(X / STRETCHES / 4) * 4);
  const count = Math.ceil(X / stretch);
  const wide = widthOf(host, [x], X);
  const launch = { params: [X, stretch], groups: [count] as const };
  if (count === 1) {
    return host.run(kernel[wide], { ...launch, tensors: [x, out], constants: { ADDS: 1 } });
  }
  using sums = host.tensor([count, 1], { zero: false });
  host.run(kernel[wide], { ...launch, tensors: [x, sums], constants: { ADDS: 0 } });
  addRows(host, sums, out);
}
