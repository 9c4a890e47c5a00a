import type { ModelConfig } from "./config.ts";

/**
 * The shape of every parameter of a model, by its Hugging Face name, in the order of the forward
 * pass. Matrices are [out, in].
 *
 * @example Usage
 * ```ts
 * import { parseConfig } from "./config.ts";
 * import { parameterShapes } from "./parameter_shapes.ts";
 * import { deepEqual } from "node:assert/strict";
 *
 * const config = parseConfig(await Deno.readTextFile("models/tiny/config.json"));
 * deepEqual(parameterShapes(config).get("model.embed_tokens.weight"), [260, 256]);
 * ```
 */
export function parameterShapes(config: ModelConfig): Map<string, number[]> {
  const { width, layers, heads, kvHeads, headDim, mlpWidth, vocab, tied } = config;
  const shapes = new Map<string, number[]>([["model.embed_tokens.weight", [vocab, width]]]);
  for (let layer = 0; layer < layers; layer++) {
    const add = (name: string, shape: number[]): void => {
      shapes.set(`model.layers.${layer}.${name}.weight`, shape);
    };
    add("input_layernorm", [width]);
    add("self_attn.q_proj", [heads * headDim, width]);
    add("self_attn.k_proj", [kvHeads * headDim, width]);
    add("self_attn.v_proj", [kvHeads * headDim, width]);
    add("self_attn.o_proj", [width, heads * headDim]);
    add("post_attention_layernorm", [width]);
    add("mlp.gate_proj", [mlpWidth, width]);
    add("mlp.up_proj", [mlpWidth, width]);
    add("mlp.down_proj", [width, mlpWidth]);
  }
  shapes.set("model.norm.weight", [width]);
  if (!tied) shapes.set("lm_head.weight", [vocab, width]);
  return shapes;
}
