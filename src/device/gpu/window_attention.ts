import queriesSource from "../../../wgsl/window_queries.wgsl" with { type: "text" };
import type { Tensor, WindowOptions } from "../device.ts";
import { type WindowCall, windowCall } from "../window.ts";
import { type GpuHost, spread } from "./host.ts";
import { COLUMNS, runWindow, TILE } from "./window_kernels.ts";

const queries = { name: "window_queries", source: queriesSource };

/** Causal attention over a window; wgsl/window_attention.wgsl. */
export function windowAttention(
  host: GpuHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  out: Tensor,
  sums: Tensor,
  options: WindowOptions = {},
): void {
  const call = windowCall("windowAttention", { q, k, v, out, sums }, options);
  const { B, T, H, D } = call.shape;
  using both = biased(host, q, call);
  const parts = Math.ceil(D / COLUMNS);
  // Nobody reads what would be the gradient of `out`.
  runWindow(host, "window_attention", { call, q: both ?? q, k, v, dOut: k }, {
    tensors: [out, sums],
    constants: { WIDE: parts > 1 ? 1 : 0 },
    groups: [Math.ceil(T / TILE), H * Math.ceil(parts / 2), B],
  });
}

/** f32 [2, B, T, H, D]: queries as keys and as distances meet them; undefined without positions. */
export function biased(
  host: GpuHost,
  q: Tensor,
  { shape: { B, T, H, D }, relative }: WindowCall,
): Tensor | undefined {
  if (!relative) return undefined;
  const both = host.tensor([2, B, T, H, D], { zero: false });
  const count = B * T * H * D;
  host.run(queries, {
    tensors: [q, relative.contentBias, relative.positionBias, both],
    params: [count, H * D],
    groups: spread(host, Math.ceil(count / 256)),
  });
  return both;
}
