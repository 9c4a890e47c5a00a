import combineLanes from "../../../wgsl/combine_lanes.wgsl" with { type: "text" };
import source from "../../../wgsl/cross_entropy.wgsl" with { type: "text" };
import backward from "../../../wgsl/cross_entropy_backward.wgsl" with { type: "text" };
import logSumExp from "../../../wgsl/log_sum_exp.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkShapes } from "../shapes.ts";
import { float, type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";
import { wideKernel, widthOf } from "./wide.ts";

const shared = combineLanes + logSumExp;
const kernel = wideKernel("cross_entropy", shared + source);
const kernelBackward = wideKernel("cross_entropy_backward", shared + backward);

/** Workgroups for short rows, four in each, and for long ones. */
const SHORT = { THREADS: 128, LANES: 32 };
const LONG = { THREADS: 256, LANES: 256 };
/** From this many logits on a row is long. */
const LONG_ROW = 1024;

/** losses [T] = weights · −log softmax(logits [T, V])[targets]; wgsl/cross_entropy.wgsl. */
export function crossEntropy(
  host: GpuHost,
  logits: Tensor,
  targets: Tensor,
  weights: Tensor,
  losses: Tensor,
): void {
  const { T, V } = checkShapes("crossEntropy", { logits, targets, weights, losses });
  checkIndices(host, "crossEntropy", "targets", targets, [-1, V]);
  const wide = widthOf(host, [logits], V);
  const { constants, groups } = shareOf(host, T, V);
  const tensors = [logits, targets, weights, losses];
  host.run(kernel[wide], { tensors, params: [T, V], constants, groups });
}

/** Adds scale · weights · (softmax − onehot) to dLogits; wgsl/cross_entropy_backward.wgsl. */
export function crossEntropyBackward(
  host: GpuHost,
  logits: Tensor,
  targets: Tensor,
  weights: Tensor,
  dLogits: Tensor,
  { scale }: { scale: number },
): void {
  const { T, V } = checkShapes("crossEntropyBackward", { logits, targets, weights, dLogits });
  checkIndices(host, "crossEntropyBackward", "targets", targets, [-1, V]);
  const wide = widthOf(host, [logits, dLogits], V);
  const { constants, groups } = shareOf(host, T, V);
  const tensors = [logits, targets, weights, dLogits];
  host.run(kernelBackward[wide], { tensors, params: [T, V, float(scale)], constants, groups });
}

/** How the threads of a workgroup share rows, and how many workgroups there are. */
function shareOf(host: GpuHost, T: number, V: number) {
  const constants = V < LONG_ROW ? SHORT : LONG;
  const rows = constants.THREADS / constants.LANES;
  return { constants, groups: spread(host, Math.ceil(T / rows)) };
}
