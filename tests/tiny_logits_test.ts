/**
 * Whole-model agreement: the embedded model against logits that an independent implementation
 * computed (tests/golden_tiny), reading with a memory as sessions do.
 */
import { ok } from "node:assert/strict";
import { open } from "../src/cairn.ts";
import type { Device, Tensor } from "../src/device/device.ts";
import { denoFiles } from "../src/io/deno_files.ts";
import type { MemoryOptions } from "../src/memory/options.ts";
import { readHeader, readTensor } from "../src/model/checkpoint/safetensors.ts";
import { devices } from "./devices.ts";

const byChunk = { reading: "chunk" } as const;
const byToken = { reading: "token" } as const;
const CASES: Readonly<Record<string, MemoryOptions>> = {
  dense_512: { chunk: 512 },
  read_chunk_k4: { chunk: 192, topBlocks: 4, choose: byChunk },
  read_token_k4: { chunk: 192, topBlocks: 4, choose: byToken },
  read_chunk_k2_tail: { chunk: 128, topBlocks: 2, choose: byChunk },
};

/** The published logits are f32, and dense and chunked ones of them differ by up to 1e-4. */
const BOUND = 1e-3;
/**
 * What halving the stored keys' and values' fraction costs, as a root mean square: where two blocks
 * are all but equally good, another one may be chosen, and a few logits move by more.
 */
const HALF_BOUND = 2e-2;

interface Golden {
  readonly ids: Int32Array;
  /** Of the last ids. */
  readonly logits: Float32Array;
}

async function golden(name: string): Promise<Golden> {
  using file = await denoFiles().open(`tests/golden_tiny/${name}.safetensors`);
  const { entries } = await readHeader(file);
  const read = async (tensor: string) => (await readTensor(file, entries.get(tensor)!)).data;
  return { ids: await read("ids") as Int32Array, logits: await read("logits") as Float32Array };
}

/**
 * The first layer's landmarks all have one key, so that its choice among old blocks is a tie. We
 * take the later block (docs/memory.md); the published case takes the earlier one. It is met by
 * making older blocks a little better in that layer.
 */
function preferringOldBlocks(device: Device): Device {
  let firstLayer: readonly Tensor[] | undefined;
  const landmarkScores: Device["landmarkScores"] = (queries, keys, order, scores, options) => {
    device.landmarkScores(queries, keys, order, scores, options);
    if (keys !== (firstLayer ??= keys)) return;
    const [T, H, n] = scores.shape;
    const data = Float32Array.from({ length: T * H * n }, (_, i) => -1e-6 * (i % n));
    using bonus = device.tensor(scores.shape, { data });
    device.add(scores, bonus, scores);
  };
  return new Proxy(device, {
    get: (target, key) => key === "landmarkScores" ? landmarkScores : Reflect.get(target, key),
  });
}

/** How far the logits are from the published ones. */
async function errorsOf(device: Device, name: string, options: MemoryOptions) {
  const { ids, logits } = await golden(name);
  const like = name === "read_token_k4" ? preferringOldBlocks(device) : device;
  using cairn = await open("tests/golden_tiny/model", { device: like });
  using session = cairn.session(options);
  const rows = logits.length / cairn.config.vocab;
  const actual = await session.logits(ids, { from: ids.length - rows, marked: true });
  const errors = logits.map((x, i) => Math.abs(actual[i] - x));
  return {
    largest: errors.reduce((most, error) => Math.max(most, error), 0),
    typical: Math.sqrt(errors.reduce((sum, error) => sum + error * error, 0) / errors.length),
  };
}

/** On a GPU that a CPU plays, chunks of 192 tokens take a minute a case. */
const isSlow = (device: Device, name: string): boolean =>
  device.info.details?.software === true && name.endsWith("k4") &&
  Deno.env.get("CAIRN_TEST_SLOW") !== "1";

// The reference takes some 10 s a case: f64 loops over 2500 tokens.
const shown = devices.filter(({ name, device }) =>
  device.info.kind !== "cpu" || name.endsWith("×2")
);
for (const { name: label, device } of shown) {
  for (const [name, options] of Object.entries(CASES)) {
    Deno.test({
      name: `the tiny model's logits agree with ${name} [${label}]`,
      ignore: isSlow(device, name),
      async fn() {
        const { largest } = await errorsOf(device, name, { ...options, storage: "f32" });
        ok(largest <= BOUND, `largest error ${largest}`);
      },
    });
  }
  // The reference keeps f64 whatever it is asked; on lavapipe these take minutes.
  if (device.info.kind !== "cpu") continue;
  for (const [name, options] of Object.entries(CASES)) {
    Deno.test(`with f16 storage they stay near ${name} [${label}]`, async () => {
      const { typical } = await errorsOf(device, name, { ...options, storage: "f16" });
      ok(typical <= HALF_BOUND, `root mean square error ${typical}`);
    });
  }
}
