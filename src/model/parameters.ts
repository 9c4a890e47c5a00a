import type { OwnParameter } from "../attention/mechanism.ts";
import type { ModelConfig } from "./config.ts";
import { mechanismOf } from "./mechanism_of.ts";

/** A parameter of a model: its shape, how it begins, and how it learns. */
export type Parameter = OwnParameter;

/** Of most matrices before training. */
const DEVIATION = 0.02;

/**
 * Every parameter of a model by its Hugging Face name, in the order of the forward pass; matrices
 * are [out, in]. What a mechanism adds to a layer stands behind the layer's projections, what it adds
 * to the model at the end.
 *
 * Before training norms are 1 and matrices N(0, 0.02), those that write to the residual stream
 * smaller by √(2·layers), so that its size does not depend on the depth (Radford et al., GPT-2, 2019).
 */
export function parameters(config: ModelConfig): Map<string, Parameter> {
  const { width, layers, heads, kvHeads, headDim, mlpWidth, vocab, tied } = config;
  const mechanism = mechanismOf(config);
  const all = new Map<string, Parameter>();
  const norm = (name: string): void => {
    all.set(name, { shape: [width], start: 1, decays: false, isGate: false });
  };
  const matrix = (name: string, shape: number[], { decays = true, deviation = DEVIATION } = {}) =>
    all.set(name, { shape, start: { deviation }, decays, isGate: false });
  const writes = { deviation: DEVIATION / Math.sqrt(2 * layers) };

  // It does not decay: a step may use a few of its rows only.
  matrix("model.embed_tokens.weight", [vocab, width], { decays: false });
  for (let layer = 0; layer < layers; layer++) {
    const at = (name: string): string => `model.layers.${layer}.${name}`;
    norm(at("input_layernorm.weight"));
    matrix(at("self_attn.q_proj.weight"), [heads * headDim, width]);
    matrix(at("self_attn.k_proj.weight"), [kvHeads * headDim, width]);
    matrix(at("self_attn.v_proj.weight"), [kvHeads * headDim, width]);
    matrix(at("self_attn.o_proj.weight"), [width, heads * headDim], writes);
    for (const [name, own] of mechanism.parameters(layer)) all.set(at(`self_attn.${name}`), own);
    norm(at("post_attention_layernorm.weight"));
    matrix(at("mlp.gate_proj.weight"), [mlpWidth, width]);
    matrix(at("mlp.up_proj.weight"), [mlpWidth, width]);
    matrix(at("mlp.down_proj.weight"), [width, mlpWidth], writes);
  }
  norm("model.norm.weight");
  for (const [name, own] of mechanism.parameters()) all.set(`model.${name}`, own);
  if (!tied) matrix("lm_head.weight", [vocab, width]);
  return all;
}

/**
 * The shape of every parameter, as {@linkcode parameters} lists them.
 *
 * @example Usage
 * ```ts
 * import { parseConfig } from "./config.ts";
 * import { parameterShapes } from "./parameters.ts";
 * import { deepEqual } from "node:assert/strict";
 *
 * const config = parseConfig(await Deno.readTextFile("models/tiny/config.json"));
 * deepEqual(parameterShapes(config).get("model.embed_tokens.weight"), [260, 256]);
 * ```
 */
export function parameterShapes(config: ModelConfig): Map<string, readonly number[]> {
  return new Map(Array.from(parameters(config), ([name, { shape }]) => [name, shape]));
}
