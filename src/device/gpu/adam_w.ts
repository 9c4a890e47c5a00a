import source from "../../../wgsl/adam_w.wgsl" with { type: "text" };
import type { AdamWOptions, Tensor } from "../device.ts";
import { checkInteger, checkShapes } from "../shapes.ts";
import { float, type GpuHost, spread } from "./host.ts";
import { wideKernel, widthOf } from "./wide.ts";

const kernel = wideKernel("adam_w", source);

/** The largest f32: a kernel must not meet infinity. */
const LARGEST = 3.4028234663852886e38;

/** One step of one parameter, in place; wgsl/adam_w.wgsl. */
export function adamW(
  host: GpuHost,
  weight: Tensor,
  gradient: Tensor,
  mean: Tensor,
  variance: Tensor,
  norm: Tensor,
  { rate, beta1, beta2, epsilon, decay, step, scale, clip }: AdamWOptions,
): void {
  const { X } = checkShapes("adamW", { weight, gradient, mean, variance, norm });
  checkInteger("adamW", "step", step, [1, Number.MAX_SAFE_INTEGER]);
  if (X === 0) return;
  const wide = widthOf(host, [weight, gradient, mean, variance], X);
  // Corrections are taken here, in f64: 1 − β₂ᵗ has few digits left in f32.
  const moments = [1 - beta1, 1 - beta2];
  const rates = [rate / (1 - beta1 ** step), 1 / (1 - beta2 ** step), epsilon, rate * decay];
  host.run(kernel[wide], {
    tensors: [weight, gradient, mean, variance, norm],
    params: [X, ...[scale, Math.min(clip, LARGEST), ...moments, ...rates].map(float)],
    groups: spread(host, Math.ceil(X / wide / 256)),
  });
}
