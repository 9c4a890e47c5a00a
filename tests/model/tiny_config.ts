import { equal, throws } from "node:assert/strict";
import { parseConfig } from "../../src/model/config.ts";
import { ConfigError } from "../../src/model/config_error.ts";

export const TINY = await Deno.readTextFile("tests/golden_tiny/model/config.json");

export type Changes = Record<string, unknown>;

/** The tiny model's configuration with other fields; `undefined` takes one out. */
export function changed(changes: Changes, landmark: Changes = {}): string {
  const json = JSON.parse(TINY);
  return JSON.stringify({ ...json, landmark: { ...json.landmark, ...landmark }, ...changes });
}

export function refuses(text: string, field: string, message: string | RegExp) {
  throws(() => parseConfig(text), (error) => {
    equal(error instanceof ConfigError, true, String(error));
    const { message: actual, field: where } = error as ConfigError;
    equal(where, field, actual);
    if (typeof message === "string") {
      equal(actual, `Cannot read the model's configuration as ${message}`);
    } else equal(message.test(actual), true, actual);
    return true;
  });
}
