/** A model with random weights behind the public door, and what is asked of it. */

import { type Cairn, open, type OpenOptions } from "../../src/cairn.ts";
import type { Device } from "../../src/device/device.ts";
import type { Files } from "../../src/io/files.ts";
import { memoryFiles } from "../../src/io/memory_files.ts";
import { saveCheckpoint } from "../../src/model/checkpoint/checkpoint.ts";
import type { ModelConfig } from "../../src/model/config.ts";
import { parameterShapes } from "../../src/model/parameters.ts";
import type { GenerateOptions } from "../../src/session/generation.ts";
import type { Session } from "../../src/session/session.ts";
import { CONFIG } from "../memory/small_model.ts";
import { randomFrom } from "../random.ts";

const SEED = 41;
/** What is read. */
export const TEXT = "A cairn is a pile of stones that marks a path. Élan, 多, and a 🪨 too; "
  .repeat(3);

/** A model folder with random weights, opened on a device. */
export async function openSmall(
  device: Device,
  { config = CONFIG, ...options }: OpenOptions & { config?: ModelConfig } = {},
): Promise<Cairn> {
  return await open("model", { files: await smallFolder(config), device, ...options });
}

/** The folder `model` with random weights. */
export async function smallFolder(config: ModelConfig): Promise<Files> {
  const random = randomFrom(SEED);
  const weights = new Map(
    [...parameterShapes(config)].map(([name, shape]) => {
      const size = shape.reduce((a, b) => a * b, 1);
      const numbers = random.normal(size, shape.length === 1 ? 0.2 : 1.2 / Math.sqrt(shape[1]));
      const data = Float32Array.from(numbers, (x) => shape.length === 1 ? 1 + x : x);
      return [name, { shape, data }];
    }),
  );
  const files = memoryFiles();
  await saveCheckpoint(files, "model", { config, weights });
  return files;
}

/** What a session generates, whole. */
export async function answer(session: Session, prompt: string, options: GenerateOptions = {}) {
  const pieces = await Array.fromAsync(session.generate(prompt, { maxTokens: 12, ...options }));
  return {
    text: pieces.map(({ text }) => text).join(""),
    ids: pieces.flatMap(({ ids }) => [...ids]),
    pieces,
  };
}
