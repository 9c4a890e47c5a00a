/** The kernels of attention over a window, and what all of a call's have in common. */

import product from "../../../wgsl/landmark_gradient_product.wgsl" with { type: "text" };
import addQueries from "../../../wgsl/window_add_queries.wgsl" with { type: "text" };
import attention from "../../../wgsl/window_attention.wgsl" with { type: "text" };
import backwardDistances from "../../../wgsl/window_attention_backward_distances.wgsl" with {
  type: "text",
};
import backwardKeys from "../../../wgsl/window_attention_backward_keys.wgsl" with { type: "text" };
import backwardQueries from "../../../wgsl/window_attention_backward_queries.wgsl" with {
  type: "text",
};
import gradient from "../../../wgsl/window_gradient.wgsl" with { type: "text" };
import narrow from "../../../wgsl/window_narrow.wgsl" with { type: "text" };
import rows from "../../../wgsl/window_rows.wgsl" with { type: "text" };
import scores from "../../../wgsl/window_scores.wgsl" with { type: "text" };
import shear from "../../../wgsl/window_shear.wgsl" with { type: "text" };
import wide from "../../../wgsl/window_wide.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import type { WindowCall } from "../window.ts";
import { float, type GpuHost, type Launch, type Param } from "./host.ts";
import type { Kernel } from "./kernel.ts";

/** Queries, keys or distances in a tile. */
export const TILE = 64;
/** Columns of D that a workgroup makes; the forward one has room for twice as many. */
export const COLUMNS = 64;

const BODIES = {
  window_attention: shear + scores + attention,
  window_attention_backward_queries: shear + scores + gradient + backwardQueries,
  window_attention_backward_keys: shear + scores + gradient + addQueries + backwardKeys,
  window_attention_backward_distances: shear + gradient + addQueries + backwardDistances,
};

const kernels = Object.fromEntries(
  Object.entries(BODIES).map(([name, body]) => [name, {
    wide: { name, source: wide + rows + product + body },
    narrow: { name, source: narrow + rows + product + body },
  }]),
) as Record<keyof typeof BODIES, Record<"wide" | "narrow", Kernel>>;

/** A call, and its tensors as kernels read them. */
export interface Job {
  readonly call: WindowCall;
  /** f32 [B, T, H, D], or with positions [2, B, T, H, D]: as keys meet queries, and as distances do. */
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly dOut: Tensor;
}

/** Runs one of the kernels. */
export function runWindow(
  host: GpuHost,
  name: keyof typeof BODIES,
  { call, q, k, v, dOut }: Job,
  { tensors, params = [], constants = {}, groups }: Launch,
): void {
  const { shape: { B, T, S, H, G, D }, window, absent, scale, relative } = call;
  const inputs = [q, k, v, relative?.distances ?? k, dOut];
  const quads = D % 4 === 0 && inputs.every((tensor) => host.offset(tensor) % 4 === 0);
  const sizes: Param[] = [B, T, S, H, G, relative?.count ?? 0, window, absent, float(scale)];
  host.run(kernels[name][quads ? "wide" : "narrow"], {
    tensors: [...inputs, ...tensors],
    params: [...sizes, ...params],
    constants: {
      ...{ D, SPELLED: Number(!host.features.rolled), BUFFERS: 1 },
      RELATIVE: relative ? 1 : 0,
      ...constants,
    },
    groups,
  });
}
