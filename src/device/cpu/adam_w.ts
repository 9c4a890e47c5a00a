import type { AdamWOptions, Tensor } from "../device.ts";
import { checkInteger, checkShapes } from "../shapes.ts";
import { type Host, launch } from "./host.ts";

/** One step of one parameter, in place; asm/adam_w.ts. */
export function adamW(
  host: Host,
  weight: Tensor,
  gradient: Tensor,
  mean: Tensor,
  variance: Tensor,
  norm: Tensor,
  { rate, beta1, beta2, epsilon, decay, step, scale, clip }: AdamWOptions,
): void {
  const { X } = checkShapes("adamW", { weight, gradient, mean, variance, norm });
  checkInteger("adamW", "step", step, [1, Number.MAX_SAFE_INTEGER]);
  const state = [weight, gradient, mean, variance, norm].map((tensor) => host.address(tensor));
  // Corrections are taken here, in f64: 1 − β₂ᵗ has few digits left in f32.
  const meanRate = rate / (1 - beta1 ** step);
  const correction = 1 / (1 - beta2 ** step);
  const moments = [1 - beta1, 1 - beta2];
  const rates = [meanRate, correction, epsilon, rate * decay];
  launch(host, 4 * X, "adamW", ...state, X, scale, clip, ...moments, ...rates);
}
