/**
 * Whole-model agreement: the embedded model against logits that an independent implementation
 * computed (tests/golden_tiny), reading with a memory as sessions do.
 */
import { ok } from "node:assert/strict";
import { open } from "../src/cairn.ts";
import type { Device } from "../src/device/device.ts";
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
/** What halving the stored keys' and values' fraction costs, over some 40 blocks and 6 layers. */
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
 * making old blocks better by less than any difference between blocks that are not equal.
 */
function preferringOldBlocks(device: Device): Device {
  const chooseBlocks: Device["chooseBlocks"] = (scores, chosen, options) => {
    const [T, H, n] = scores.shape;
    const data = Float32Array.from({ length: T * H * n }, (_, i) => -1e-5 * (i % n));
    using bonus = device.tensor(scores.shape, { data });
    device.add(scores, bonus, scores);
    device.chooseBlocks(scores, chosen, options);
  };
  return new Proxy(device, {
    get: (target, key) => key === "chooseBlocks" ? chooseBlocks : Reflect.get(target, key),
  });
}

async function largestError(device: Device, name: string, options: MemoryOptions): Promise<number> {
  const { ids, logits } = await golden(name);
  const like = name === "read_token_k4" ? preferringOldBlocks(device) : device;
  using cairn = await open("models/tiny", { device: like });
  using session = cairn.session(options);
  const rows = logits.length / cairn.config.vocab;
  const actual = await session.logits(ids, { from: ids.length - rows, marked: true });
  return logits.reduce((most, x, i) => Math.max(most, Math.abs(actual[i] - x)), 0);
}

// The reference takes some 10 s a case: f64 loops over 2500 tokens.
const shown = devices.filter(({ name, device }) =>
  device.info.kind === "reference" || name.endsWith("×2")
);
for (const { name: label, device } of shown) {
  for (const [name, options] of Object.entries(CASES)) {
    Deno.test(`the tiny model's logits agree with ${name} [${label}]`, async () => {
      const error = await largestError(device, name, { ...options, storage: "f32" });
      ok(error <= BOUND, `largest error ${error}`);
    });
  }
  if (device.info.kind === "reference") continue;
  for (const [name, options] of Object.entries(CASES)) {
    Deno.test(`with f16 storage they stay near ${name} [${label}]`, async () => {
      const error = await largestError(device, name, { ...options, storage: "f16" });
      ok(error <= HALF_BOUND, `largest error ${error}`);
    });
  }
}
