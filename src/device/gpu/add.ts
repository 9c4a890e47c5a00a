import source from "../../../wgsl/add.wgsl" with { type: "text" };
import addTo from "../../../wgsl/add_to.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { type GpuHost, spread } from "./host.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("add", source);
const kernelInPlace = wideKernel("add_to", addTo);

/** out = a + b; wgsl/add.wgsl, or wgsl/add_to.wgsl where out is one of them. */
export function add(host: GpuHost, a: Tensor, b: Tensor, out: Tensor): void {
  const { X } = checkShapes("add", { a, b, out });
  if (X === 0) return;
  const wide = widthOf(host, [a, b, out], X);
  const launch = { params: [X], groups: spread(host, Math.ceil(X / wide / 256)) };
  const isOut = (x: Tensor) => host.shares(x, out) && host.offset(x) === host.offset(out);
  if (!isOut(a) && !isOut(b)) return host.run(kernel[wide], { ...launch, tensors: [a, b, out] });
  const other = isOut(a) ? b : a;
  const accumulate = !host.takesZeros([out], [other]);
  host.run(kernelInPlace[wide], {
    ...launch,
    tensors: [other, out],
    constants: { ACCUMULATE: Number(accumulate) },
  });
}
