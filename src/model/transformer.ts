import type { Attend, LayerInput, Step } from "../attention/mechanism.ts";
import type { Tensor } from "../device/device.ts";
import type { Ops } from "../device/ops.ts";
import type { ModelConfig } from "./config.ts";

/** The parameters of a Llama-family model on a device, by their Hugging Face names. */
export type Weights = ReadonlyMap<string, Tensor>;

/** A model: what it looks like, and what it knows. */
export interface Model {
  /** Its shape. */
  readonly config: ModelConfig;
  /** Its parameters. */
  readonly weights: Weights;
}

/**
 * Takes ids through all layers (Touvron et al., arXiv 2302.13971): pre-norm attention and SwiGLU,
 * each added to the residual stream.
 *
 * @param ops Eager operations to read with, or a tape to train with.
 * @param ids i32 [T], markers included.
 * @param attend The mechanism, for these T tokens.
 * @returns f32 [T, C], after the last norm.
 */
export async function hiddenStates(
  ops: Ops,
  model: Model,
  ids: Tensor,
  attend: Attend,
): Promise<Tensor> {
  const { layers, epsilon } = model.config;
  const x = await throughLayers(ops, model, ids, layers, attend);
  return ops.rmsNorm(x, weight(model, "model.norm.weight"), epsilon);
}

/**
 * Takes ids only as far as is needed to remember them: of the last layer that is its keys and
 * values. A sixth of a model of six layers is saved where nobody asks what comes next.
 */
export async function rememberOnly(
  ops: Ops,
  model: Model,
  ids: Tensor,
  step: Pick<Step, "attend" | "remember">,
): Promise<void> {
  const last = model.config.layers - 1;
  const x = await throughLayers(ops, model, ids, last, step.attend);
  step.remember(last, layerInput(ops, model, last, x));
}

async function throughLayers(
  ops: Ops,
  model: Model,
  ids: Tensor,
  layers: number,
  attend: Attend,
): Promise<Tensor> {
  let x = ops.gather(weight(model, "model.embed_tokens.weight"), ids);
  for (let layer = 0; layer < layers; layer++) {
    const input = x;
    x = await ops.scope(async (ops) => {
      const attended = ops.add(input, await attention(ops, model, layer, input, attend));
      return ops.add(attended, mlp(ops, model, layer, attended));
    });
  }
  return x;
}

/** hidden f32 [T, C] → logits f32 [T, V]. */
export function logitsOf(ops: Ops, model: Model, hidden: Tensor): Tensor {
  const head = model.config.tied ? "model.embed_tokens.weight" : "lm_head.weight";
  return ops.linear(hidden, weight(model, head));
}

async function attention(
  ops: Ops,
  model: Model,
  layer: number,
  x: Tensor,
  attend: Attend,
): Promise<Tensor> {
  const out = await attend(ops, layer, layerInput(ops, model, layer, x));
  return ops.linear(out, weight(model, `model.layers.${layer}.self_attn.o_proj.weight`));
}

/** What a layer's attention is made from. */
function layerInput(ops: Ops, model: Model, layer: number, residual: Tensor): LayerInput {
  const { heads, kvHeads, headDim, epsilon } = model.config;
  const name = `model.layers.${layer}`;
  const x = ops.rmsNorm(residual, weight(model, `${name}.input_layernorm.weight`), epsilon);
  const project = (part: string, count: number, from: Tensor): Tensor => {
    const flat = ops.linear(from, weight(model, `${name}.self_attn.${part}_proj.weight`));
    return ops.reshape(flat, [flat.shape[0], count, headDim]);
  };
  return {
    x,
    q: () => project("q", heads, x),
    k: (from = x) => project("k", kvHeads, from),
    v: (from = x) => project("v", kvHeads, from),
    own: (part) => model.weights.get(`${name}.self_attn.${part}`) ?? weight(model, `model.${part}`),
  };
}

function mlp(ops: Ops, model: Model, layer: number, x: Tensor): Tensor {
  const name = `model.layers.${layer}`;
  const { epsilon } = model.config;
  const normed = ops.rmsNorm(x, weight(model, `${name}.post_attention_layernorm.weight`), epsilon);
  const gate = ops.linear(normed, weight(model, `${name}.mlp.gate_proj.weight`));
  const up = ops.linear(normed, weight(model, `${name}.mlp.up_proj.weight`));
  return ops.linear(ops.swiGlu(gate, up), weight(model, `${name}.mlp.down_proj.weight`));
}

function weight(model: Model, name: string): Tensor {
  const tensor = model.weights.get(name);
  if (tensor === undefined) throw new TypeError(`Cannot run the model as it has no "${name}"`);
  return tensor;
}
