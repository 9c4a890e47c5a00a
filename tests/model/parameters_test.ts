import { deepEqual, equal } from "node:assert/strict";
import { parseConfig } from "../../src/model/config.ts";
import { parameterShapes } from "../../src/model/parameters.ts";
import { changed } from "./tiny_config.ts";

Deno.test("parameterShapes() lists a Llama model's parameters", () => {
  const shapes = parameterShapes(parseConfig(changed({ tie_word_embeddings: false })));
  equal(shapes.size, 9 * 6 + 3);
  deepEqual(shapes.get("lm_head.weight"), [260, 256]);
  deepEqual(shapes.get("model.layers.5.self_attn.k_proj.weight"), [128, 256]);
  deepEqual(shapes.get("model.layers.0.mlp.down_proj.weight"), [256, 704]);
  const narrow = parameterShapes(parseConfig(changed({ head_dim: 32 })));
  deepEqual(narrow.get("model.layers.0.self_attn.o_proj.weight"), [256, 128]);
});
