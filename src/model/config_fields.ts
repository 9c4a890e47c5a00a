/** Reads typed fields out of a JSON object, and says which field is wrong and how. */
import { ConfigError } from "./config_error.ts";
import { isRecord } from "./json.ts";

/** The bounds of a number, and what it is if the field is missing or null. */
export interface NumberRule {
  min: number;
  max: number;
  fallback?: number | undefined;
}

/** The fields of one JSON object; every method takes a field's name. */
export interface Fields {
  /** The raw value; `undefined` if the field is missing or null. */
  value(name: string): unknown;
  integer(name: string, rule: NumberRule): number;
  /** A finite number. */
  number(name: string, rule: NumberRule): number;
  /** An object; `undefined` if the field is missing or null. */
  fields(name: string): Fields | undefined;
  /** A field that may be missing but else must be `expected`; `why` says what is supported. */
  only(name: string, expected: unknown, why: string): void;
  /** The error for a field. */
  wrong(name: string, mustBe: string): ConfigError;
}

/** Reads `record`, whose own place in the file is `path` (empty at the top). */
export function configFields(record: Record<string, unknown>, path = ""): Fields {
  const fullName = (name: string): string => path === "" ? name : `${path}.${name}`;
  const value = (name: string): unknown =>
    Object.hasOwn(record, name) && record[name] !== null ? record[name] : undefined;
  const wrong = (name: string, mustBe: string): ConfigError => {
    const shown = shorten(JSON.stringify(Object.hasOwn(record, name) ? record[name] : undefined));
    const problem = `"${fullName(name)}" must be ${mustBe}: current value is ${shown}`;
    return new ConfigError(fullName(name), problem);
  };
  const bounded = (name: string, kind: string, fits: (x: unknown) => boolean, rule: NumberRule) => {
    const { min, max, fallback } = rule;
    const x = value(name) ?? fallback;
    if (fits(x) && (x as number) >= min && (x as number) <= max) return x as number;
    throw wrong(name, `${kind} in [${min}, ${max}]`);
  };
  return {
    value,
    wrong,
    integer: (name, rule) => bounded(name, "an integer", Number.isSafeInteger, rule),
    number: (name, rule) => bounded(name, "a number", Number.isFinite, rule),
    fields(name) {
      const inner = value(name);
      if (inner === undefined) return undefined;
      if (!isRecord(inner)) throw wrong(name, "an object");
      return configFields(inner, fullName(name));
    },
    only(name, expected, why) {
      const x = value(name);
      if (x !== undefined && x !== expected) {
        throw wrong(name, `${JSON.stringify(expected)} (${why})`);
      }
    },
  };
}

function shorten(json: string | undefined): string {
  if (json === undefined) return "undefined";
  return json.length <= 80 ? json : `${json.slice(0, 77)}...`;
}
