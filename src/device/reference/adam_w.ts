import type { AdamWOptions } from "../device.ts";
import type { Reals } from "./tensors.ts";

/**
 * One step of weight, in place; all of one shape but norm [1], the sum of squares of all gradients.
 * With g = gradient · scale · min(1, clip / (scale · √norm)):
 * mean = β₁·mean + (1 − β₁)·g, variance = β₂·variance + (1 − β₂)·g²,
 * weight −= rate · (decay · weight + (mean / (1 − β₁ᵗ)) / (√(variance / (1 − β₂ᵗ)) + epsilon)).
 */
export function adamW(
  weight: Reals,
  gradient: Reals,
  mean: Reals,
  variance: Reals,
  norm: Reals,
  { rate, beta1, beta2, epsilon, decay, step, scale, clip }: AdamWOptions,
): void {
  const length = scale * Math.sqrt(norm.data[0]);
  const factor = length > clip ? scale * clip / length : scale;
  for (let i = 0; i < weight.data.length; i++) {
    const g = gradient.data[i] * factor;
    const m = beta1 * mean.data[i] + (1 - beta1) * g;
    const v = beta2 * variance.data[i] + (1 - beta2) * g * g;
    mean.data[i] = m;
    variance.data[i] = v;
    const direction = m / (1 - beta1 ** step) / (Math.sqrt(v / (1 - beta2 ** step)) + epsilon);
    weight.data[i] -= rate * (decay * weight.data[i] + direction);
  }
}
