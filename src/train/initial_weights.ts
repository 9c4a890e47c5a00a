import type { HostTensor } from "../model/checkpoint/safetensors.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterShapes } from "../model/parameter_shapes.ts";
import { random } from "./data/random.ts";

const DEVIATION = 0.02;
/** Keeps these numbers apart from those that the data are drawn with. */
const STREAM = 3;

/**
 * The weights a model begins with: norms 1, matrices N(0, 0.02), those that write to the residual
 * stream smaller by √(2·layers), so that its size does not depend on the depth (Radford et al.,
 * GPT-2, 2019).
 */
export function initialWeights(
  config: ModelConfig,
  seed: number,
): Map<string, HostTensor<Float32Array>> {
  const weights = new Map<string, HostTensor<Float32Array>>();
  for (const [name, shape] of parameterShapes(config)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    if (shape.length === 1) {
      data.fill(1);
    } else {
      const { normal } = random(seed, STREAM, weights.size);
      const writes = /\.(o_proj|down_proj)\.weight$/.test(name);
      const deviation = writes ? DEVIATION / Math.sqrt(2 * config.layers) : DEVIATION;
      for (let i = 0; i < data.length; i++) data[i] = deviation * normal();
    }
    weights.set(name, { shape, data });
  }
  return weights;
}
