/**
 * What a model is: the fields of `config.json` that this runtime acts on, under its own words.
 *
 * The file is the one that Llama models have in the Hugging Face ecosystem, with an object for what
 * its layers look back with, such as `landmark`. Fields that change what the model computes and are
 * not supported are refused by name; fields that do not are ignored.
 */
import { type AttentionConfig, attentionJson, readAttention } from "./attention_config.ts";
import { ConfigError } from "./config_error.ts";
import { configFields, type Fields } from "./config_fields.ts";
import { isRecord, parseJson } from "./json.ts";
import { readRopeScaling, type RopeScaling, ropeScalingJson } from "./rope_scaling.ts";

/** A model's shapes and constants. Letters as in the glossary: C, L, H, G, D, F, V. */
export interface ModelConfig extends AttentionConfig {
  /** C: of the residual stream (`hidden_size`). */
  readonly width: number;
  /** L (`num_hidden_layers`). */
  readonly layers: number;
  /** H, query heads (`num_attention_heads`). */
  readonly heads: number;
  /** G, key/value heads; divides H (`num_key_value_heads`). */
  readonly kvHeads: number;
  /** D, even (`head_dim`). */
  readonly headDim: number;
  /** F (`intermediate_size`). */
  readonly mlpWidth: number;
  /** V (`vocab_size`). */
  readonly vocab: number;
  /** Of RMSNorm (`rms_norm_eps`). */
  readonly epsilon: number;
  /** Base of the rotary positions (`rope_theta`). */
  readonly ropeTheta: number;
  /** How the rotary frequencies are stretched (`rope_scaling`). */
  readonly ropeScaling: RopeScaling | undefined;
  /** The tokens a window had in training (`max_position_embeddings`). */
  readonly contextLength: number;
  /** The head is the embedding (`tie_word_embeddings`). */
  readonly tied: boolean;
  /** Put before a text (`bos_token_id`). */
  readonly beginToken: number | undefined;
  /** Generation ends at any of these (`eos_token_id`). */
  readonly endTokens: readonly number[];
  /** Bytes are their own ids, or the folder has a `tokenizer.json`. */
  readonly tokenizer: "bytes" | "tokenizer.json";
}

// Far above any real model: they keep a hostile file from asking for endless work.
const MAX_WIDTH = 2 ** 20;
const MAX_LAYERS = 2 ** 10;
const MAX_VOCAB = 2 ** 24;
const MAX_TOKENS = 2 ** 31 - 1;

/**
 * Reads the text of a `config.json`.
 *
 * @throws {ConfigError} If it is not JSON, a field is missing, contradicts another or is out of
 * range, or the model needs what is not supported: the message names the field.
 */
export function parseConfig(text: string): ModelConfig {
  let json: unknown;
  try {
    json = parseJson(text);
  } catch (cause) {
    const problem = `it must be JSON: ${(cause as Error).message}`;
    throw new ConfigError("", problem, { cause });
  }
  if (!isRecord(json)) throw new ConfigError("", "it must be a JSON object");
  const fields = configFields(json);
  refuseOtherModels(fields);
  const shape = readShape(fields);
  const tokens = readTokens(fields, shape.vocab);
  return { ...shape, ...tokens, ...readAttention(fields, { ...shape, ...tokens }) };
}

type Shape = Pick<
  ModelConfig,
  | "width"
  | "layers"
  | "heads"
  | "kvHeads"
  | "headDim"
  | "mlpWidth"
  | "vocab"
  | "epsilon"
  | "ropeTheta"
  | "ropeScaling"
  | "contextLength"
  | "tied"
>;
type Tokens = Pick<ModelConfig, "tokenizer" | "beginToken" | "endTokens">;

function refuseOtherModels(fields: Fields): void {
  fields.only("model_type", "llama", "the one architecture that is supported");
  fields.only("hidden_act", "silu", "the one activation that is supported");
  fields.only("attention_bias", false, "biases are not supported");
  fields.only("mlp_bias", false, "biases are not supported");
  fields.only("partial_rotary_factor", 1, "positions turn the whole head");
  fields.only("quantization_config", null, "weights must be F32, F16, BF16 or F64");
  const architectures = fields.value("architectures");
  const isLlama = Array.isArray(architectures) && architectures.includes("LlamaForCausalLM");
  if (architectures !== undefined && !isLlama) {
    throw fields.wrong("architectures", '["LlamaForCausalLM"], the one that is supported');
  }
}

function readShape(fields: Fields): Shape {
  const size = (name: string, fallback?: number): number =>
    fields.integer(name, { min: 1, max: MAX_WIDTH, fallback });
  const width = size("hidden_size");
  const heads = size("num_attention_heads");
  const kvHeads = size("num_key_value_heads", heads);
  if (heads % kvHeads !== 0) {
    throw fields.wrong("num_key_value_heads", `a divisor of num_attention_heads, ${heads}`);
  }
  if (fields.value("head_dim") === undefined && width % heads !== 0) {
    throw fields.wrong("head_dim", `given, as ${heads} heads do not divide hidden_size, ${width}`);
  }
  const headDim = size("head_dim", width / heads);
  if (headDim % 2 !== 0) throw fields.wrong("head_dim", "even, as positions turn pairs");
  const tied = fields.value("tie_word_embeddings") ?? false;
  if (typeof tied !== "boolean") throw fields.wrong("tie_word_embeddings", "true or false");
  // Since 2025 such files keep all that concerns positions in one object.
  const rope = fields.fields("rope_parameters");
  const theta = { min: 1, max: 1e12, fallback: 10_000 };
  return {
    width,
    layers: fields.integer("num_hidden_layers", { min: 1, max: MAX_LAYERS }),
    heads,
    kvHeads,
    headDim,
    mlpWidth: size("intermediate_size"),
    vocab: fields.integer("vocab_size", { min: 1, max: MAX_VOCAB }),
    epsilon: fields.number("rms_norm_eps", { min: 1e-12, max: 1, fallback: 1e-6 }),
    ropeTheta: (rope ?? fields).number("rope_theta", theta),
    ropeScaling: readRopeScaling(rope ?? fields.fields("rope_scaling")),
    contextLength: fields.integer("max_position_embeddings", { min: 1, max: MAX_TOKENS }),
    tied,
  };
}

function readTokens(fields: Fields, vocab: number): Tokens {
  const ids = (name: string): number[] => {
    const value = fields.value(name) ?? [];
    const list: unknown[] = Array.isArray(value) ? value : [value];
    if (list.every((id) => isIndex(id, vocab))) return list as number[];
    throw fields.wrong(name, `null or ids in [0, ${vocab - 1}]`);
  };
  const begin = ids("bos_token_id");
  if (begin.length > 1) throw fields.wrong("bos_token_id", "one id or null");
  const tokenizer = fields.value("tokenizer") ?? "tokenizer.json";
  if (tokenizer !== "bytes" && tokenizer !== "tokenizer.json") {
    throw fields.wrong("tokenizer", '"bytes" or "tokenizer.json"');
  }
  return { tokenizer, beginToken: begin[0], endTokens: ids("eos_token_id") };
}

function isIndex(value: unknown, length: number): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) < length;
}

/** The text of a `config.json` that {@linkcode parseConfig} reads back as `config`. */
export function formatConfig(config: ModelConfig): string {
  const json = {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: config.width,
    intermediate_size: config.mlpWidth,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    hidden_act: "silu",
    vocab_size: config.vocab,
    rms_norm_eps: config.epsilon,
    rope_theta: config.ropeTheta,
    rope_scaling: ropeScalingJson(config.ropeScaling),
    max_position_embeddings: config.contextLength,
    tie_word_embeddings: config.tied,
    attention_bias: false,
    mlp_bias: false,
    bos_token_id: config.beginToken ?? null,
    eos_token_id: config.endTokens.length === 0 ? null : config.endTokens,
    tokenizer: config.tokenizer,
    ...attentionJson(config),
  };
  return JSON.stringify(json, null, 2) + "\n";
}
