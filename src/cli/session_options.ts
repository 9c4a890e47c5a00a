/** Options that commands with a session or an answer share. */

import type { BlockChoice, MemoryOptions } from "../memory/options.ts";
import { bytes, choice, number, numbers, text, type Values } from "./args.ts";

const CHOICES: readonly BlockChoice[] = ["recent", "token", "chunk", "heads"];

/** How a session remembers. */
export const MEMORY_OPTIONS = {
  "top-blocks": number("blocks that are read (default: the model's)", { least: 1 }),
  "reading": choice(CHOICES, "how blocks are chosen while a text is read", "recent"),
  "asking": choice(CHOICES, "how blocks are chosen for a question and its answer", "token"),
  "memory-layers": numbers("layers that remember (default: the model's)", { least: 0 }),
  "budget": bytes("memory for stored blocks (default: 2G)"),
  "device-budget": bytes("memory on the device for blocks (default: 32M, on a GPU 128M)"),
  "spill": text("FILE", "where blocks go that the budget has no room for"),
  "spill-budget": bytes("size of that file (default: 64G)"),
};

/** How tokens are picked. */
export const SAMPLING_OPTIONS = {
  "max-tokens": number("tokens of an answer", { least: 1 }, 64),
  "temperature": number("0 takes the likeliest token", { least: 0, whole: false }, 0),
  "top-k": number("pick among so many", { least: 1 }),
  "top-p": number("pick among the likeliest of this share", { least: 0, most: 1, whole: false }),
  "seed": number("for the same picks again", { least: 0 }),
};

const SPILL_BYTES = 64 * 2 ** 30;

/** What {@linkcode MEMORY_OPTIONS} ask of a session. */
export function memoryOptions(values: Values<typeof MEMORY_OPTIONS>): MemoryOptions {
  const { budget, spill } = values;
  const tiers = {
    ...(budget !== undefined && { host: budget }),
    ...(values["device-budget"] !== undefined && { device: values["device-budget"] }),
    ...(spill !== undefined &&
      { file: { path: spill, bytes: values["spill-budget"] ?? SPILL_BYTES } }),
  };
  return {
    ...(values["top-blocks"] !== undefined && { topBlocks: values["top-blocks"] }),
    ...(values["memory-layers"] !== undefined && { memoryLayers: values["memory-layers"] }),
    choose: { reading: values.reading, asking: values.asking },
    budget: tiers,
  };
}
