import type { Device, Tensor } from "../device/device.ts";
import type { Parameter } from "../model/parameters.ts";
import type { Weights } from "../model/transformer.ts";
import { flatTensors, layOut } from "./flats.ts";
import type { OptimizerRecipe } from "./recipe.ts";

/** A parameter's running means: of its gradient, and of the gradient's square. */
export interface Moments {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/** AdamW over all parameters of a model: their weights, with what is kept beside them. */
export interface Optimizer extends Disposable {
  /** By the parameter's name: zeros, until something is written to them. */
  readonly weights: Weights;
  /** By the weights: what a pass back adds to. */
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

/** What an optimizer knows of a parameter. */
type Learning = Pick<Parameter, "shape" | "decays" | "isGate">;

/**
 * Makes an optimizer that has seen nothing yet, and room for the weights. Parameters that learn alike
 * lie side by side, with zeros between them, which remain zeros.
 *
 * @param parameters By name; sums over all gradients depend on their order.
 */
export function createOptimizer(
  device: Device,
  parameters: ReadonlyMap<string, Learning>,
  recipe: Pick<
    OptimizerRecipe,
    "rate" | "beta1" | "beta2" | "epsilon" | "decay" | "clip" | "gateRate"
  >,
): Optimizer {
  const { beta1, beta2, epsilon, decay, clip, gateRate } = recipe;
  using stack = new DisposableStack();
  const flats = layOut(device, parameters, learnAlike);
  const make = () => stack.use(flatTensors(device, flats));
  const [weights, gradients, means, variances] = [make(), make(), make(), make()];
  const sum = stack.use(device.tensor([1]));
  const byWeight = new Map<Tensor, Tensor>();
  const moments = new Map<string, Moments>();
  for (const name of parameters.keys()) {
    byWeight.set(weights.parts.get(name)!, gradients.parts.get(name)!);
    moments.set(name, { mean: means.parts.get(name)!, variance: variances.parts.get(name)! });
  }
  let lastScale = 1;
  const owned = stack.move();

  return {
    weights: weights.parts,
    gradients: byWeight,
    moments,
    clear() {
      for (const gradient of gradients.wholes) device.fill(gradient, 0);
    },
    update({ step, rate, scale }) {
      device.fill(sum, 0);
      for (const gradient of gradients.wholes) device.sumSquares(gradient, sum);
      const options = { beta1, beta2, epsilon, step, scale, clip };
      for (const [i, { like: { decays, isGate } }] of flats.entries()) {
        const [weight, gradient, mean, variance] = [weights, gradients, means, variances]
          .map(({ wholes }) => wholes[i]);
        device.adamW(weight, gradient, mean, variance, sum, {
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

/** Whether one step of AdamW does for both. */
function learnAlike(a: Learning, b: Learning): boolean {
  return a.decays === b.decays && a.isGate === b.isGate;
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
