import type { Device, Tensor } from "../device/device.ts";
import type { Parameter } from "../model/parameters.ts";
import type { Weights } from "../model/transformer.ts";
import type { OptimizerRecipe } from "./recipe.ts";

/** A parameter's running means: of its gradient, and of the gradient's square. */
export interface Moments {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/** AdamW over all parameters of a model, with their gradients. */
export interface Optimizer extends Disposable {
  /** By parameter: what a pass back adds to. */
  readonly gradients: ReadonlyMap<Tensor, Tensor>;
  /** By the parameter's name. */
  readonly moments: ReadonlyMap<string, Moments>;
  /** Sets all gradients to zero. */
  clear(): void;
  /** Changes the weights. Steps count from 1; `scale` multiplies the gradients first. */
  update(options: { step: number; rate: number; scale: number }): void;
  /** The norm of the gradients that the last update used, before it was clipped. */
  norm(): Promise<number>;
}

/**
 * Makes an optimizer that has seen nothing yet.
 *
 * @param parameters Which weights decay, and which are gates, by the same names.
 */
export function createOptimizer(
  device: Device,
  weights: Weights,
  parameters: ReadonlyMap<string, Pick<Parameter, "decays" | "isGate">>,
  recipe: Pick<
    OptimizerRecipe,
    "rate" | "beta1" | "beta2" | "epsilon" | "decay" | "clip" | "gateRate"
  >,
): Optimizer {
  const { beta1, beta2, epsilon, decay, clip, gateRate } = recipe;
  using stack = new DisposableStack();
  const zeros = (shape: readonly number[]): Tensor => stack.use(device.tensor(shape));
  const gradients = new Map<Tensor, Tensor>();
  const moments = new Map<string, Moments>();
  for (const [name, weight] of weights) {
    gradients.set(weight, zeros(weight.shape));
    moments.set(name, { mean: zeros(weight.shape), variance: zeros(weight.shape) });
  }
  const sum = zeros([1]);
  let lastScale = 1;
  const owned = stack.move();

  return {
    gradients,
    moments,
    clear() {
      for (const gradient of gradients.values()) device.fill(gradient, 0);
    },
    update({ step, rate, scale }) {
      device.fill(sum, 0);
      for (const gradient of gradients.values()) device.sumSquares(gradient, sum);
      const options = { beta1, beta2, epsilon, step, scale, clip };
      for (const [name, weight] of weights) {
        const { mean, variance } = moments.get(name)!;
        const { decays, isGate } = parameters.get(name)!;
        device.adamW(weight, gradients.get(weight)!, mean, variance, sum, {
          ...options,
          rate: isGate ? rate * gateRate / recipe.rate : rate,
          decay: decays ? decay : 0,
        });
      }
      lastScale = scale;
    },
    norm: async () => lastScale * Math.sqrt((await device.read(sum))[0]),
    [Symbol.dispose]: () => owned.dispose(),
  };
}

/** The rate of a step, counted from 1: up over the warm-up, then as the schedule says. */
export function rateAt(step: number, steps: number, recipe: OptimizerRecipe): number {
  const { rate, warmUp, schedule, decayShare, floor } = recipe;
  if (step <= warmUp) return rate * step / warmUp;
  if (schedule === "cosine") {
    const done = (step - warmUp) / (steps - warmUp);
    return rate * (floor + (1 - floor) * (1 + Math.cos(Math.PI * done)) / 2);
  }
  const decaySteps = Math.min(Math.round(steps * decayShare), steps - warmUp);
  const left = steps - step;
  return left >= decaySteps ? rate : rate * (floor + (1 - floor) * left / decaySteps);
}
