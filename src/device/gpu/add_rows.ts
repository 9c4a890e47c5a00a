import source from "../../../wgsl/add_rows.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import type { GpuHost } from "./host.ts";

const kernel = { name: "add_rows", source };

/** Columns of a workgroup: 32 bytes, what memory gives at least. */
const COLUMNS = 8;

/** out [C] += Σ over rows of x [R, C], in a fixed order: the end of a sum; wgsl/add_rows.wgsl. */
export function addRows(host: GpuHost, x: Tensor, out: Tensor): void {
  const [rows, width] = x.shape;
  const columns = width === 1 ? 1 : COLUMNS;
  host.run(kernel, {
    tensors: [x, out],
    params: [rows, width],
    constants: { COLUMNS: columns },
    groups: [Math.ceil(width / columns)],
  });
}
