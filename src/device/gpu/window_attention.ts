import windowRows from "../../../wgsl/window_rows.wgsl" with { type: "text" };
import rowsSource from "../../../wgsl/window_attention_rows.wgsl" with { type: "text" };
import queriesSource from "../../../wgsl/window_queries.wgsl" with { type: "text" };
import type { Tensor, WindowOptions } from "../device.ts";
import { type WindowCall, windowCall } from "../window.ts";
import { float, type GpuHost, spread } from "./host.ts";
import { COLUMNS, runWindow, TILE } from "./window_kernels.ts";

const rows = { name: "window_attention_rows", source: windowRows + rowsSource };
const queries = { name: "window_queries", source: queriesSource };

/** Up to so many queries are taken one by one, by as many workgroups. */
const FEW_QUERIES = 8;

/** Causal attention over a window; wgsl/window_attention.wgsl, wgsl/window_attention_rows.wgsl. */
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
  if (T <= FEW_QUERIES) return attendRows(host, call, { q, k, v, out, sums });
  using both = biased(host, q, call);
  const parts = Math.ceil(D / COLUMNS);
  // Nobody reads what would be the gradient of `out`.
  runWindow(host, "window_attention", { call, q: both ?? q, k, v, dOut: k }, {
    tensors: [out, sums],
    constants: { WIDE: parts > 1 ? 1 : 0 },
    groups: [Math.ceil(T / TILE), H * Math.ceil(parts / 2), B],
  });
}

/** One query after another. */
function attendRows(
  host: GpuHost,
  { shape: { B, T, S, H, G, D }, window, absent, scale, relative }: WindowCall,
  { q, k, v, out, sums }: Record<"q" | "k" | "v" | "out" | "sums", Tensor>,
): void {
  // Without positions nobody reads these.
  const { distances, contentBias, positionBias } = relative ??
    { distances: k, contentBias: k, positionBias: k };
  host.run(rows, {
    tensors: [q, k, v, distances, contentBias, positionBias, out, sums],
    params: [B, T, S, H, G, relative?.count ?? 0, window, absent, float(scale)],
    constants: { D, ROUNDS: Math.ceil(D / 64), RELATIVE: relative ? 1 : 0 },
    groups: spread(host, B * T * H),
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
