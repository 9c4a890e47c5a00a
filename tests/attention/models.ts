/** Small models of every mechanism, for the laws that hold for all of them. */

import { type ModelConfig, parseConfig } from "../../src/model/config.ts";
import { SMALL } from "../memory/small_model.ts";

const landmark = { block_size: 4, token_id: 256, top_blocks: 2, chunk: 64 };

/** What stands in `config.json`, by what tests call it. */
const MECHANISMS: Readonly<Record<string, Record<string, unknown>>> = {
  "landmark": { landmark },
  "infini, linear": { infini: { segment: 8, update: "linear" } },
  "infini, delta, from a memory": { infini: { segment: 8, learned_start: true } },
  "landmark beside a memory": { landmark: { ...landmark, memory: { segment: 8 } } },
  "landmark beside a memory, all blocks read": {
    landmark: {
      ...{ ...landmark, top_blocks: 16, chunk: 8 },
      memory: { segment: 12, update: "linear", learned_start: true },
    },
  },
  "xl": { xl: { window: 8, cache: 12 } },
  "xl, short cache, clamped": { xl: { window: 8, cache: 5, clamp: 6, same_length: true } },
  "xl, rotary": { xl: { window: 8, cache: 11, positions: "rope" } },
  "xl, no cache": { xl: { window: 8, cache: 0 } },
  "window": { window: { size: 7 } },
  "landmark, infini and window": {
    landmark,
    infini: { segment: 8 },
    window: { size: 5 },
    mechanisms: ["infini", "landmark", "window"],
  },
};

/** Their configurations. */
export const MODELS: readonly (readonly [name: string, config: ModelConfig])[] = Object.entries(
  MECHANISMS,
).map(([name, change]) => [name, smallConfig(change)]);

/** A small model's configuration with other mechanisms, and other fields. */
export function smallConfig(change: Record<string, unknown>): ModelConfig {
  return parseConfig(JSON.stringify({ ...SMALL, landmark: undefined, ...change }));
}
