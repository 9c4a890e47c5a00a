import { deepEqual } from "node:assert/strict";
import { formatConfig, parseConfig } from "../../src/model/config.ts";
import { changed, type Changes, refuses } from "./tiny_config.ts";

Deno.test("parseConfig() reads what layers look back with", () => {
  const with_ = (change: Changes): string => changed({ landmark: undefined, ...change });
  const infini = { segment: 128, update: "linear", learned_start: true };
  const mixed = changed({
    infini,
    window: { size: 64 },
    mechanisms: ["window", "infini", "infini", "landmark", "landmark", "window"],
  }, { memory_layers: undefined });
  const texts = [
    with_({ infini }),
    with_({ infini: { segment: 128 } }),
    with_({ xl: { window: 128 } }),
    with_({ xl: { window: 64, cache: 32, positions: "rope", clamp: 7, same_length: true } }),
    with_({ window: { size: 1 } }),
    mixed,
    changed({}, { memory: { segment: 64, update: "linear" } }),
  ];
  for (const text of texts) {
    deepEqual(parseConfig(formatConfig(parseConfig(text))), parseConfig(text));
  }
  deepEqual(parseConfig(texts[0]).infini, {
    ...{ segment: 128, update: "linear", learnedStart: true, gate: "memory" },
  });
  deepEqual(parseConfig(texts[1]).infini, {
    ...{ segment: 128, update: "delta", learnedStart: false, gate: "memory" },
  });
  deepEqual(parseConfig(texts[2]).xl, {
    ...{ window: 128, cache: 128, clamp: 256 },
    ...{ positions: "relative", sameLength: false },
  });
  deepEqual(parseConfig(texts[4]).mechanisms, Array(6).fill("window"));
  deepEqual(parseConfig(mixed).landmark?.memoryLayers, [3, 4]);
  deepEqual(parseConfig(texts[6]).landmark?.memory, {
    ...{ segment: 64, update: "linear", learnedStart: false },
  });
});

Deno.test("parseConfig() refuses mechanisms that it cannot put together", () => {
  const none = { landmark: undefined };
  const cases: [Changes, string, RegExp][] = [
    [none, "landmark", /must be an object such as/],
    [{ infini: { segment: 64 } }, "mechanisms", /a list of 6, one of "landmark", "infini"/],
    [
      { infini: { segment: 64 }, mechanisms: Array(6).fill("infini") },
      "mechanisms",
      /a list with "landmark", which is described/,
    ],
    [{ mechanisms: ["landmark"] }, "mechanisms", /a list of 6/],
    [{ ...none, infini: {} }, "infini.segment", /an integer in \[1, 512\]/],
    [{ ...none, infini: { segment: 1024 } }, "infini.segment", /in \[1, 512\]/],
    [{ ...none, infini: { segment: 8, update: "x" } }, "infini.update", /"linear" or "delta"/],
    [
      { ...none, infini: { segment: 8, learned_start: 1 } },
      "infini.learned_start",
      /true or false/,
    ],
    [
      { infini: { segment: 63 }, mechanisms: ["infini", ...Array(5).fill("landmark")] },
      "infini.segment",
      /a multiple of the landmarks' block_size, 64/,
    ],
    [{ ...none, xl: { window: 8, cache: -1 } }, "xl.cache", /in \[0, /],
    [{ ...none, xl: { window: 8, positions: "x" } }, "xl.positions", /"relative" or "rope"/],
    [{ ...none, window: { size: 0 } }, "window.size", /in \[1, /],
    [
      {
        xl: { window: 64 },
        mechanisms: ["xl", "landmark", "xl", "xl", "xl", "xl"],
      },
      "mechanisms",
      /"xl" in all layers or in none/,
    ],
  ];
  for (const [change, field, message] of cases) refuses(changed(change), field, message);
  const beside: [Changes, string, RegExp][] = [
    [{ memory: 64 }, "landmark.memory", /an object/],
    [{ memory: {} }, "landmark.memory.segment", /an integer in \[1, 512\]/],
    [{ memory: { segment: 96 } }, "landmark.memory.segment", /a multiple of .* block_size, 64/],
    [{ memory: { segment: 64, update: "x" } }, "landmark.memory.update", /"linear" or "delta"/],
  ];
  for (const [change, field, message] of beside) refuses(changed({}, change), field, message);
});
