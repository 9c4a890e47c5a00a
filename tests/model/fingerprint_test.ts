import { equal, match, notEqual } from "node:assert/strict";
import { openDevice } from "../../src/device/open.ts";
import { denoFiles } from "../../src/io/deno_files.ts";
import { type HostModel, loadCheckpoint } from "../../src/model/checkpoint/checkpoint.ts";
import type { LandmarkConfig } from "../../src/model/attention_config.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { modelFingerprint } from "../../src/model/fingerprint.ts";

const MODEL = await loadCheckpoint(denoFiles(), "models/tiny");

async function fingerprint({ config, weights }: HostModel): Promise<string> {
  using stack = new DisposableStack();
  const device = stack.use(await openDevice({ device: "cpu", threads: 1 }));
  const tensors = Array.from(
    weights,
    ([name, { shape, data }]) => [name, stack.use(device.tensor(shape, { data }))] as const,
  );
  return await modelFingerprint(device, { config, weights: new Map(tensors) });
}

function withWeight(name: string, change: (data: Float32Array) => void): HostModel {
  const { shape, data } = MODEL.weights.get(name)!;
  const copy = data.slice();
  change(copy);
  return { ...MODEL, weights: new Map(MODEL.weights).set(name, { shape, data: copy }) };
}

function withLandmark(change: Partial<LandmarkConfig>): ModelConfig {
  return { ...MODEL.config, landmark: { ...MODEL.config.landmark!, ...change } };
}

Deno.test("modelFingerprint() is the same for the same model, whatever its order", async () => {
  const expected = await fingerprint(MODEL);
  match(expected, /^[0-9a-f]{64}$/);
  const weights = new Map([...MODEL.weights].reverse());
  equal(await fingerprint({ config: MODEL.config, weights }), expected);
  const config = withLandmark({ topBlocks: 2, chunk: 64, memoryLayers: [3] });
  equal(await fingerprint({ ...MODEL, config }), expected);
});

Deno.test("modelFingerprint() tells other weights, shapes and constants apart", async () => {
  const name = "model.layers.5.mlp.down_proj.weight";
  const others = [
    withWeight(name, (data) => data[data.length - 1] += 1e-3),
    withWeight(name, (data) => data[0] = -data[0]),
    { ...MODEL, config: { ...MODEL.config, ropeTheta: 5e5 } },
    { ...MODEL, config: withLandmark({ blockSize: 32, chunk: 192 }) },
    { ...MODEL, config: { ...MODEL.config, heads: 2, headDim: 128 } },
  ];
  const prints = await Promise.all([MODEL, ...others].map(fingerprint));
  equal(new Set(prints).size, others.length + 1);
  notEqual(prints[0], prints[1]);
});
