import levelsSource from "../../../wgsl/window_attention_backward_levels.wgsl" with {
  type: "text",
};
import farSource from "../../../wgsl/window_far.wgsl" with { type: "text" };
import type { RelativePositions, Tensor, WindowGradients, WindowOptions } from "../device.ts";
import { windowCallBackward } from "../window.ts";
import { add } from "./add.ts";
import { addRows } from "./add_rows.ts";
import type { WholeHost } from "./gpu_host.ts";
import { float, type GpuHost, spread } from "./host.ts";
import { apart } from "./landmark_attention_backward.ts";
import { reshape, view } from "./transfer.ts";
import { biased } from "./window_attention.ts";
import { COLUMNS, type Job, runWindow, TILE } from "./window_kernels.ts";

const levelsKernel = { name: "window_attention_backward_levels", source: levelsSource };
const farKernel = { name: "window_far", source: farSource };

/** A call on its way back. */
interface BackJob extends Job {
  /** f32 [B, T, H, 2]: the log-sum-exp of scores, and Δ. */
  readonly levels: Tensor;
}

/** Adds the gradients of `windowAttention`; wgsl/window_attention_backward_*.wgsl. */
export function windowAttentionBackward(
  host: WholeHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  out: Tensor,
  sums: Tensor,
  dOut: Tensor,
  gradients: WindowGradients,
  options: WindowOptions = {},
): void {
  const call = windowCallBackward({ q, k, v, out, sums }, dOut, gradients, options);
  const { B, T, H } = call.shape;
  using both = biased(host, q, call);
  using levels = host.tensor([B, T, H, 2], { zero: false });
  host.run(levelsKernel, {
    tensors: [out, dOut, sums, levels],
    params: [B * T * H],
    constants: { D: call.shape.D },
    groups: spread(host, Math.ceil(B * T * H / 16)),
  });
  const job = { call, q: both ?? q, k, v, dOut, levels };
  const { k: dK, v: dV } = gradients;
  if (host.shares(dK, dV)) apart(host, dV, (dV) => backKeys(host, job, dK, dV));
  else backKeys(host, job, dK, dV);
  if (both && call.gradients) return backRelative(host, job, gradients.q, call.gradients);
  using far = host.tensor([1], { zero: false });
  backQueries(host, job, gradients.q, far);
}

function backKeys(host: GpuHost, job: BackJob, dK: Tensor, dV: Tensor): void {
  const { B, S, G, D } = job.call.shape;
  runWindow(host, "window_attention_backward_keys", job, {
    tensors: [job.levels, dK, dV],
    groups: [Math.ceil(S / TILE), G * Math.ceil(D / COLUMNS), B],
  });
}

function backQueries(host: GpuHost, job: BackJob, dQ: Tensor, far: Tensor): void {
  const { B, T, H, D } = job.call.shape;
  runWindow(host, "window_attention_backward_queries", job, {
    tensors: [job.levels, dQ, far],
    groups: [Math.ceil(T / TILE), H * Math.ceil(D / COLUMNS), B],
  });
}

/** Gradients of queries, of both biases, which all queries share, and of distances. */
function backRelative(
  host: WholeHost,
  job: BackJob,
  dQ: Tensor,
  { distances, contentBias, positionBias }: RelativePositions,
): void {
  const { shape: { B, T, S, H, D }, window, scale } = job.call;
  const P = distances.shape[0];
  using dBoth = host.tensor([2, B, T, H, D]);
  using far = host.tensor([B, T, H], { zero: false });
  backQueries(host, job, dBoth, far);
  const rows = reshape(host, dBoth, [2, B * T, H * D]);
  const half = (at: number) => reshape(host, view(host, rows, at, 1), [B * T, H * D]);
  for (const [at, bias] of [contentBias, positionBias].entries()) {
    add(host, dQ, reshape(host, half(at), dQ.shape), dQ);
    addRows(host, half(at), reshape(host, bias, [H * D]));
  }
  const near = Math.min(P - 1, window);
  for (let b = 0; b < B && near > 0; b++) {
    runWindow(host, "window_attention_backward_distances", job, {
      tensors: [job.levels, distances],
      params: [b],
      groups: [Math.ceil(near / TILE), H * Math.ceil(D / COLUMNS)],
    });
  }
  if (P - 1 >= Math.min(window, S)) return;
  host.run(farKernel, {
    tensors: [far, job.q, dBoth],
    params: [B * T * H * D, float(scale)],
    constants: { D },
    groups: spread(host, Math.ceil(B * T * H * D / 256)),
  });
  addRows(host, half(0), reshape(host, view(host, distances, P - 1, 1), [H * D]));
}
