import type { HostTensor } from "../model/checkpoint/safetensors.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameters } from "../model/parameters.ts";
import { random } from "./data/random.ts";

/** Keeps these numbers apart from those that the data are drawn with. */
const STREAM = 3;

/** The weights a model begins with, as {@linkcode parameters} describes them, drawn from a seed. */
export function initialWeights(
  config: ModelConfig,
  seed: number,
): Map<string, HostTensor<Float32Array>> {
  const weights = new Map<string, HostTensor<Float32Array>>();
  for (const [name, { shape, start }] of parameters(config)) {
    const data = new Float32Array(shape.reduce((a, b) => a * b));
    if (typeof start === "number") data.fill(start);
    else if (start instanceof Float32Array) data.set(start);
    else {
      const { normal } = random(seed, STREAM, weights.size);
      for (let i = 0; i < data.length; i++) data[i] = start.deviation * normal();
    }
    weights.set(name, { shape, data });
  }
  return weights;
}
