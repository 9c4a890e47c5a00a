import { deepEqual, equal } from "node:assert/strict";
import { formatConfig, type ModelConfig, parseConfig } from "../../src/model/config.ts";
import { ConfigError } from "../../src/model/config_error.ts";
import { parameterShapes } from "../../src/model/parameters.ts";
import { checkMutations } from "./mutations.ts";
import { changed, type Changes, refuses, TINY } from "./tiny_config.ts";

Deno.test("parseConfig() reads the tiny model", () => {
  const expected: ModelConfig = {
    width: 256,
    layers: 6,
    heads: 4,
    kvHeads: 2,
    headDim: 64,
    mlpWidth: 704,
    vocab: 260,
    epsilon: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: undefined,
    contextLength: 512,
    tied: true,
    tokenizer: "bytes",
    beginToken: undefined,
    endTokens: [],
    mechanisms: Array(6).fill("landmark"),
    landmark: {
      blockSize: 64,
      landmarkToken: 256,
      topBlocks: 4,
      chunk: 192,
      memoryLayers: [0, 1, 2, 3, 4, 5],
      memory: undefined,
    },
    infini: undefined,
    xl: undefined,
    window: undefined,
  };
  deepEqual(parseConfig(TINY), expected);
});

Deno.test("parseConfig() fills in what Llama files may leave out", () => {
  const config = parseConfig(changed({
    num_key_value_heads: null,
    head_dim: undefined,
    tie_word_embeddings: undefined,
    rope_theta: undefined,
    rms_norm_eps: undefined,
    model_type: undefined,
    architectures: undefined,
    hidden_act: undefined,
    landmark: { block_size: 32, token_id: 257 },
    eos_token_id: [1, 2],
    bos_token_id: 3,
    tokenizer: undefined,
    unheard_of: true,
  }));
  const { kvHeads, headDim, tied, ropeTheta, epsilon } = config;
  const { topBlocks, chunk } = config.landmark!;
  deepEqual({ kvHeads, headDim, tied, ropeTheta, epsilon, topBlocks, chunk }, {
    kvHeads: 4,
    headDim: 64,
    tied: false,
    ropeTheta: 10_000,
    epsilon: 1e-6,
    topBlocks: 4,
    chunk: 512 - 5 * 32,
  });
  deepEqual([config.beginToken, config.endTokens], [3, [1, 2]]);
  equal(config.tokenizer, "tokenizer.json");
});

Deno.test("parseConfig() reads back what formatConfig() writes", () => {
  const scaling = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const texts = [
    TINY,
    changed({ rope_scaling: scaling, eos_token_id: 7, tie_word_embeddings: false }),
    changed({ rope_scaling: { type: "linear", factor: 2 }, tokenizer: null, bos_token_id: 0 }),
    changed({}, { memory_layers: [3, 4, 5], chunk: 64, top_blocks: 1 }),
    changed({}, { memory_layers: [] }),
    changed({ rope_parameters: { rope_theta: 5e5, rope_type: "default" }, rope_theta: undefined }),
  ];
  for (const text of texts) {
    const config = parseConfig(text);
    deepEqual(parseConfig(formatConfig(config)), config);
    equal(formatConfig(parseConfig(formatConfig(config))), formatConfig(config));
  }
  equal(parseConfig(texts.at(-1)!).ropeTheta, 5e5);
  deepEqual(parseConfig(texts[3]).landmark!.memoryLayers, [3, 4, 5]);
});

Deno.test("parseConfig() refuses models it cannot run, by name", () => {
  const cases: [Changes, string, string | RegExp][] = [
    [{ model_type: "gpt2" }, "model_type", /must be "llama" .*: current value is "gpt2"/],
    [{ architectures: ["X"] }, "architectures", /must be \["LlamaForCausalLM"\].*\["X"\]/],
    [{ hidden_act: "gelu" }, "hidden_act", /must be "silu" .*"gelu"/],
    [{ attention_bias: true }, "attention_bias", /must be false \(biases are not supported\)/],
    [{ mlp_bias: true }, "mlp_bias", /must be false/],
    [{ partial_rotary_factor: 0.5 }, "partial_rotary_factor", /must be 1 /],
    [{ quantization_config: { bits: 4 } }, "quantization_config", /\{"bits":4\}/],
    [{ rope_scaling: { type: "yarn" } }, "rope_scaling.type", /"linear", "llama3".*"yarn"/],
    [{ rope_scaling: 2 }, "rope_scaling", '"rope_scaling" must be an object: current value is 2'],
    [{ rope_scaling: { type: "linear", factor: 0 } }, "rope_scaling.factor", /in \[1, /],
    [{ tokenizer: "words" }, "tokenizer", /"bytes" or "tokenizer.json"/],
  ];
  for (const [changes, field, message] of cases) refuses(changed(changes), field, message);
});

Deno.test("parseConfig() refuses numbers that are missing, none, out of range or contradictory", () => {
  const cases: [Changes, string, string | RegExp][] = [
    [{ hidden_size: undefined }, "hidden_size", /an integer in \[1, 1048576\]: .* undefined/],
    [{ hidden_size: "256" }, "hidden_size", /current value is "256"/],
    [{ hidden_size: 2 ** 40 }, "hidden_size", /an integer in/],
    [{ num_hidden_layers: 1e9 }, "num_hidden_layers", /an integer in \[1, 1024\]/],
    [{ num_hidden_layers: 1.5 }, "num_hidden_layers", /current value is 1.5/],
    [
      { num_key_value_heads: 3 },
      "num_key_value_heads",
      '"num_key_value_heads" must be a divisor of num_attention_heads, 4: current value is 3',
    ],
    [{ head_dim: 63 }, "head_dim", /even/],
    [{ head_dim: null, hidden_size: 255 }, "head_dim", /4 heads do not divide hidden_size, 255/],
    [{ vocab_size: 0 }, "vocab_size", /in \[1, /],
    [{ rms_norm_eps: 0 }, "rms_norm_eps", /a number in/],
    [{ rope_theta: "x" }, "rope_theta", /a number in/],
    [{ tie_word_embeddings: 1 }, "tie_word_embeddings", /true or false/],
    [{ eos_token_id: 260 }, "eos_token_id", /ids in \[0, 259\]: current value is 260/],
    [{ eos_token_id: [1, "2"] }, "eos_token_id", /ids in/],
    [{ bos_token_id: [1, 2] }, "bos_token_id", /one id or null/],
    [{ landmark: undefined }, "landmark", /must be an object such as .*undefined/],
    [{ landmark: [1] }, "landmark", /must be an object/],
    [{ max_position_embeddings: null }, "max_position_embeddings", /an integer/],
  ];
  for (const [changes, field, message] of cases) refuses(changed(changes), field, message);
  const landmarks: [Changes, string, string | RegExp][] = [
    [{ block_size: 1 }, "landmark.block_size", /in \[2, 65536\]: current value is 1/],
    [
      { chunk: 200 },
      "landmark.chunk",
      '"landmark.chunk" must be a multiple of block_size, 64: current value is 200',
    ],
    [{ chunk: 0 }, "landmark.chunk", /in \[64, /],
    [{ top_blocks: 0 }, "landmark.top_blocks", /in \[1, /],
    [{ token_id: 260 }, "landmark.token_id", /in \[256, 259\]: current value is 260/],
    [{ token_id: 65 }, "landmark.token_id", /in \[256, 259\]: current value is 65/],
    [{ memory_layers: [6] }, "landmark.memory_layers", /ascending layers in \[0, 5\]/],
    [{ memory_layers: [2, 1] }, "landmark.memory_layers", /ascending/],
    [{ memory_layers: "all" }, "landmark.memory_layers", /ascending/],
  ];
  for (const [landmark, field, message] of landmarks) {
    refuses(changed({}, landmark), field, message);
  }
});

Deno.test("parseConfig() refuses text that is no configuration", () => {
  refuses("", "", /must be JSON/);
  refuses("{", "", /must be JSON/);
  refuses("[]", "", "it must be a JSON object");
  refuses("null", "", "it must be a JSON object");
  refuses(TINY.replace("{", '{"head_dim": 32,'), "", /"head_dim" is there twice/);
});

Deno.test("parseConfig() survives altered text", async () => {
  const count = 4000;
  const original = new TextEncoder().encode(TINY);
  const { refused } = await checkMutations(original, { seed: 21, count }, (bytes) => {
    const config = parseConfig(new TextDecoder().decode(bytes));
    // What is accepted must hold together: it can be written, read and laid out.
    deepEqual(parseConfig(formatConfig(config)), config);
    equal(parameterShapes(config).size, 9 * config.layers + (config.tied ? 2 : 3));
  }, ConfigError);
  equal(refused > count / 2 && refused < count, true, `${refused} of ${count} refused`);
});
