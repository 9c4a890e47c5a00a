import { deepEqual, equal, rejects } from "node:assert/strict";
import { denoFiles } from "../../src/io/deno_files.ts";
import { FileError } from "../../src/io/file_error.ts";
import { type Files, readBytes, writeText } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import {
  type HostModel,
  loadCheckpoint,
  openCheckpoint,
  saveCheckpoint,
} from "../../src/model/checkpoint/checkpoint.ts";
import { CheckpointError } from "../../src/model/checkpoint/checkpoint_error.ts";
import { type HostTensor, writeSafetensors } from "../../src/model/checkpoint/safetensors.ts";
import { formatConfig, type ModelConfig, parseConfig } from "../../src/model/config.ts";
import { ConfigError } from "../../src/model/config_error.ts";
import { parameterShapes } from "../../src/model/parameters.ts";
import { randomFrom } from "../random.ts";

const TINY = "tests/golden_tiny/model";

async function smallConfig(changes: Record<string, unknown> = {}): Promise<ModelConfig> {
  const json = JSON.parse(await Deno.readTextFile(`${TINY}/config.json`));
  const small = { hidden_size: 8, intermediate_size: 12, num_hidden_layers: 2, head_dim: 4 };
  return parseConfig(JSON.stringify({ ...json, ...small, ...changes }));
}

async function smallModel(changes?: Record<string, unknown>): Promise<HostModel> {
  const config = await smallConfig(changes);
  const random = randomFrom(1);
  const weights = new Map<string, HostTensor<Float32Array>>();
  for (const [name, shape] of parameterShapes(config)) {
    const size = shape.reduce((a, b) => a * b);
    weights.set(name, { shape, data: Float32Array.from(random.normal(size)) });
  }
  return { config, weights };
}

/** A folder "m" whose weights were changed after saving. */
async function altered(
  change: (weights: Map<string, HostTensor>) => void,
): Promise<Files> {
  const model = await smallModel();
  const files = memoryFiles();
  await saveCheckpoint(files, "m", model);
  const weights = new Map<string, HostTensor>(model.weights);
  change(weights);
  await files.replace("m/model.safetensors", (file) => writeSafetensors(file, weights));
  return files;
}

async function refuses(files: Files, tensor: string, message: RegExp) {
  await rejects(() => loadCheckpoint(files, "m"), (error) => {
    equal(error instanceof CheckpointError, true, String(error));
    equal(message.test((error as Error).message), true, (error as Error).message);
    equal((error as CheckpointError).tensor, tensor);
    return true;
  });
}

Deno.test("loadCheckpoint() reads the tiny model", async () => {
  const { config, weights } = await loadCheckpoint(denoFiles(), TINY);
  deepEqual([...weights.keys()], [...parameterShapes(config).keys()]);
  let count = 0;
  for (const { data } of weights.values()) count += data.length;
  equal(count, 4_493_568); // as its model card says
  const { shape, data } = weights.get("model.layers.0.input_layernorm.weight")!;
  deepEqual(shape, [256]);
  equal(data.every((x) => x > 0 && x < 10), true);
});

Deno.test("loadCheckpoint() turns the gates of other implementations into ours", async () => {
  const infini = { segment: 64 };
  const model = await smallModel({ landmark: undefined, infini });
  const files = memoryFiles();
  await saveCheckpoint(files, "m", model);
  const gate = (layer: number): string => `model.layers.${layer}.self_attn.memory_gate`;
  const weights = new Map<string, HostTensor>(model.weights);
  for (const layer of [0, 1]) {
    const { data } = model.weights.get(gate(layer))!;
    weights.delete(gate(layer));
    // Another name, another shape, and the share of the local attention instead of the memory's.
    weights.set(`model.layers.${layer}.self_attn.gate`, {
      shape: [1, data.length, 1, 1],
      data: data.map((beta) => -beta),
    });
  }
  await files.replace("m/model.safetensors", (file) => writeSafetensors(file, weights));
  const json = JSON.parse(formatConfig(model.config));
  const text = JSON.stringify({ ...json, infini: { ...infini, gate: "local" } });
  await writeText(files, "m/config.json", text);
  const read = await loadCheckpoint(files, "m");
  deepEqual(read.config, model.config);
  for (const layer of [0, 1]) {
    deepEqual(read.weights.get(gate(layer)), model.weights.get(gate(layer)));
  }
});

Deno.test("saveCheckpoint() writes the same numbers as F32 and F16, and the same bytes", async () => {
  const model = await loadCheckpoint(denoFiles(), TINY);
  for (const dtype of ["F32", "F16"] as const) {
    const files = memoryFiles();
    await saveCheckpoint(files, "out/model", model, { dtype });
    const again = await loadCheckpoint(files, "out/model");
    deepEqual(again.config, model.config);
    for (const [name, { data }] of model.weights) {
      const other = again.weights.get(name)!.data;
      equal(data.every((x, i) => Object.is(x, other[i])), true, `${name} as ${dtype}`);
    }
    const bytes = await readBytes(files, "out/model/model.safetensors");
    await saveCheckpoint(files, "out/model", again, { dtype });
    deepEqual(await readBytes(files, "out/model/model.safetensors"), bytes);
  }
});

Deno.test("saveCheckpoint() leaves the old model whole when the disk is full", async () => {
  const model = await smallModel();
  const files = memoryFiles({}, { capacityBytes: 20_000 });
  await saveCheckpoint(files, "m", model);
  const before = await readBytes(files, "m/model.safetensors");
  await rejects(() => saveCheckpoint(files, "m", model), { name: "FileError", problem: "full" });
  deepEqual(await readBytes(files, "m/model.safetensors"), before);
  deepEqual(await files.list("m"), ["config.json", "model.safetensors"]);
});

Deno.test("saveCheckpoint() refuses weights that are not the configuration's", async () => {
  const { config, weights } = await smallModel();
  const name = "model.norm.weight";
  const without = new Map(weights);
  without.delete(name);
  await rejects(() => saveCheckpoint(memoryFiles(), "m", { config, weights: without }), {
    name: "RangeError",
    message: `Cannot save the model as "${name}" must be [8]: current value is [undefined]`,
  });
  const more = new Map(weights).set("x", { shape: [1], data: Float32Array.of(1) });
  await rejects(
    () => saveCheckpoint(memoryFiles(), "m", { config, weights: more }),
    /"x" must be left out: current value is \[1\]/,
  );
});

Deno.test("openCheckpoint() reads tensors one by one", async () => {
  const files = memoryFiles();
  const model = await smallModel({ tie_word_embeddings: false });
  await saveCheckpoint(files, "m", model);
  const checkpoint = await openCheckpoint(files, "m");
  equal(checkpoint.sizeBytes, (await files.stat("m/model.safetensors"))!.sizeBytes);
  deepEqual(await checkpoint.read("lm_head.weight"), model.weights.get("lm_head.weight"));
  await rejects(() => checkpoint.read("x"), /"x" as it must be a parameter/);
  checkpoint[Symbol.dispose]();
  await rejects(() => checkpoint.read("lm_head.weight"), { name: "FileError", problem: "closed" });
});

Deno.test("loadCheckpoint() refuses weights that contradict the configuration", async () => {
  const norm = "model.norm.weight";
  const ones = (...shape: number[]): HostTensor => ({
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b)).fill(1),
  });
  await refuses(
    await altered((weights) => weights.delete(norm)),
    norm,
    /config.json asks for it, of shape \[8\]: it is not there$/,
  );
  await refuses(
    await altered((weights) => {
      weights.delete(norm);
      weights.delete("model.layers.0.input_layernorm.weight");
    }),
    "model.layers.0.input_layernorm.weight",
    /not there, and 1 more are missing/,
  );
  await refuses(
    await altered((weights) => weights.set("model.layers.2.input_layernorm.weight", ones(8))),
    "model.layers.2.input_layernorm.weight",
    /the model has no such parameter/,
  );
  await refuses(
    await altered((weights) => weights.set("lm_head.weight", ones(260, 8))),
    "lm_head.weight",
    /the model has no such parameter/,
  );
  await refuses(
    await altered((weights) => weights.set("model.layers.1.self_attn.k_proj.weight", ones(8, 4))),
    "model.layers.1.self_attn.k_proj.weight",
    /its shape must be \[8, 8\] by config.json: current value is \[8, 4\]/,
  );
  await refuses(
    await altered((weights) => weights.set(norm, { shape: [8], data: new Int32Array(8) })),
    norm,
    /its dtype must be one of F32, F16, BF16, F64: current value is I32/,
  );
});

Deno.test("loadCheckpoint() accepts F64, and the table of older files", async () => {
  const files = await altered((weights) => {
    const { shape, data } = weights.get("model.norm.weight")!;
    weights.set("model.norm.weight", { shape, data: Float64Array.from(data) });
    const table = { shape: [2], data: Float32Array.of(1, 0.01) };
    weights.set("model.layers.0.self_attn.rotary_emb.inv_freq", table);
  });
  const { weights } = await loadCheckpoint(files, "m");
  const expected = (await smallModel()).weights;
  deepEqual(weights.get("model.norm.weight"), expected.get("model.norm.weight"));
  equal(weights.size, expected.size);
});

Deno.test("loadCheckpoint() refuses NaN and infinite weights, and says where", async () => {
  for (const x of [NaN, Infinity, -Infinity]) {
    const name = "model.layers.1.mlp.down_proj.weight"; // [8, 12]
    const files = await altered((weights) => {
      const { shape, data } = weights.get(name)!;
      const copy = Float32Array.from(data);
      copy[3 * 12 + 5] = x;
      copy[4 * 12 + 6] = x;
      weights.set(name, { shape, data: copy });
    });
    await refuses(files, name, new RegExp(`must be finite: element \\[3, 5\\] is ${x}`));
  }
});

Deno.test("loadCheckpoint() says which file is missing or broken", async () => {
  await rejects(() => loadCheckpoint(memoryFiles(), "m"), FileError);
  const files = memoryFiles();
  await saveCheckpoint(files, "m", await smallModel());
  await writeText(files, "m/config.json", "{");
  await rejects(() => loadCheckpoint(files, "m"), ConfigError);
  await saveCheckpoint(files, "m", await smallModel());
  await files.remove("m/model.safetensors");
  await rejects(() => loadCheckpoint(files, "m"), {
    name: "FileError",
    path: "m/model.safetensors",
  });
});

/** The small model cut into two files, with this index. */
async function sharded(change: (map: Record<string, string>) => unknown): Promise<Files> {
  const files = memoryFiles();
  const model = await smallModel();
  await saveCheckpoint(files, "m", model);
  await files.remove("m/model.safetensors");
  const names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
  const map: Record<string, string> = {};
  for (const [i, name] of names.entries()) {
    const part = new Map([...model.weights].filter((_, n) => n % 2 === i));
    for (const tensor of part.keys()) map[tensor] = name;
    await files.replace(`m/${name}`, (file) => writeSafetensors(file, part));
  }
  const index = change(map) ?? { metadata: { total_size: 1 }, weight_map: map };
  await writeText(files, "m/model.safetensors.index.json", JSON.stringify(index));
  return files;
}

Deno.test("loadCheckpoint() reads a model in shards", async () => {
  const { weights } = await loadCheckpoint(await sharded(() => undefined), "m");
  deepEqual(weights, (await smallModel()).weights);
});

Deno.test("loadCheckpoint() refuses an index that is wrong, or reaches out of the folder", async () => {
  const norm = "model.norm.weight";
  for (const name of ["../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.bin", ""]) {
    const files = await sharded((map) => void (map[norm] = name));
    await refuses(files, norm, /its file must be NAME.safetensors beside the index/);
  }
  await refuses(await sharded(() => ({ weight_map: [] })), "", /"weight_map" must be an object/);
  const files = await sharded(() => undefined);
  const twice = new Map([[norm, (await smallModel()).weights.get(norm)!]]);
  await files.replace("m/more.safetensors", (file) => writeSafetensors(file, twice));
  const text = new TextDecoder().decode(
    await readBytes(files, "m/model.safetensors.index.json"),
  );
  const more = text.replace('"weight_map":{', '"weight_map":{"x":"more.safetensors",');
  await writeText(files, "m/model.safetensors.index.json", more);
  await refuses(files, norm, /must be in one file only/);
  await files.remove("m/more.safetensors");
  await rejects(() => loadCheckpoint(files, "m"), { problem: "missing" });
});
