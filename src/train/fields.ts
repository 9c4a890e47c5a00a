/** Turns one value of a JSON document into what the program uses, or says what is wrong with it. */
export type Read<Value> = (value: unknown, path: string) => Value;

/** A value of a document that is not what it must be. */
export class FieldError extends TypeError {
  override name = "FieldError";
  /** Where in the document, `optimizer.rate` for example. */
  readonly path: string;

  constructor(path: string, must: string, value: unknown) {
    const where = path === "" ? "it" : `"${path}"`;
    const current = value === undefined ? "it is missing" : `current value is ${show(value)}`;
    super(`Cannot read the recipe as ${where} must be ${must}: ${current}`);
    this.path = path;
  }
}

/** What a number must be. */
export interface NumberRule {
  /** @default {false} */
  whole?: boolean;
  least?: number;
  above?: number;
  most?: number;
  below?: number;
}

export function number(rule: NumberRule = {}): Read<number> {
  const { whole = false, least = -Infinity, above = -Infinity, most = Infinity, below = Infinity } =
    rule;
  const bounds = [
    ..."least" in rule ? [`of at least ${least}`] : [],
    ..."above" in rule ? [`above ${above}`] : [],
    ..."most" in rule ? [`at most ${most}`] : [],
    ..."below" in rule ? [`below ${below}`] : [],
  ];
  const must = `${whole ? "a whole number" : "a number"} ${bounds.join(" and ")}`.trimEnd();
  return (value, path) => {
    const fits = typeof value === "number" && Number.isFinite(value) &&
      (!whole || Number.isSafeInteger(value)) &&
      value >= least && value > above && value <= most && value < below;
    if (!fits) throw new FieldError(path, must, value);
    return value;
  };
}

export function text(value: unknown, path: string): string {
  if (typeof value !== "string" || value === "") {
    throw new FieldError(path, "a text that is not empty", value);
  }
  return value;
}

export function oneOf<Choice extends string>(...choices: Choice[]): Read<Choice> {
  return (value, path) => {
    const choice = choices.find((choice) => choice === value);
    if (choice === undefined) {
      throw new FieldError(path, `one of ${choices.map(show).join(", ")}`, value);
    }
    return choice;
  };
}

export function list<Item>(read: Read<Item>): Read<Item[]> {
  return (value, path) => {
    if (!Array.isArray(value) || value.length === 0) {
      throw new FieldError(path, "a list that is not empty", value);
    }
    return value.map((item, i) => read(item, `${path}[${i}]`));
  };
}

/** What a missing value stands for. */
export function optional<Value, Fallback>(
  read: Read<Value>,
  fallback: Fallback,
): Read<Value | Fallback> {
  return (value, path) => value === undefined ? fallback : read(value, path);
}

/** An object with these fields and no others: a misspelt one must not go unnoticed. */
export function object<Fields extends object>(
  fields: { [Name in keyof Fields]-?: Read<Fields[Name]> },
): Read<Fields> {
  const names = Object.keys(fields) as (keyof Fields & string)[];
  return (value, path) => {
    const at = (name: string): string => path === "" ? name : `${path}.${name}`;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw new FieldError(path, "an object", value);
    }
    for (const name of Object.keys(value)) {
      if (!(names as string[]).includes(name)) {
        throw new FieldError(at(name), `left out (there are ${names.join(", ")})`, name);
      }
    }
    const given = value as Partial<Record<keyof Fields, unknown>>;
    return Object.fromEntries(
      names.map((name) => [name, fields[name](given[name], at(name))]),
    ) as Fields;
  };
}

function show(value: unknown): string {
  return JSON.stringify(value) ?? String(value);
}
