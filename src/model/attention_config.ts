/** What the layers of a model look back with: the objects of `config.json` that Llama files lack. */
import type { Fields } from "./config_fields.ts";

/** The mechanisms, by the names that configurations give them. */
export type MechanismName = "landmark" | "infini" | "xl" | "window";

/** Landmark attention (`landmark`). */
export interface LandmarkConfig {
  /** M, the landmark included (`block_size`). */
  readonly blockSize: number;
  /** `token_id`. */
  readonly landmarkToken: number;
  /** K: how many blocks are read unless a session says otherwise (`top_blocks`). */
  readonly topBlocks: number;
  /** Tokens a section holds, landmarks included; a multiple of M (`chunk`). */
  readonly chunk: number;
  /** The layers that have a long memory, ascending (`memory_layers`; all that it has by default). */
  readonly memoryLayers: readonly number[];
  /** A memory of Infini-attention beside the blocks of each layer (`memory`). */
  readonly memory: CompressiveConfig | undefined;
}

/** A memory of fixed size. */
export interface CompressiveConfig {
  /** Tokens that are written to the memory at once (`segment`); a multiple of M beside landmarks. */
  readonly segment: number;
  /** How they are written (`update`). */
  readonly update: "linear" | "delta";
  /** Whether a text begins from a memory that was learnt (`learned_start`). */
  readonly learnedStart: boolean;
}

/** Infini-attention (`infini`). */
export interface InfiniConfig extends CompressiveConfig {
  /** What σ(gate) is the share of in the file: the memory's here, the local one's in some (`gate`). */
  readonly gate: "memory" | "local";
}

/** Transformer-XL (`xl`). */
export interface XlConfig {
  /** Tokens that go through the layers at once (`window`). */
  readonly window: number;
  /** Tokens before a window that it looks back to (`cache`). */
  readonly cache: number;
  /** As the paper has them, or rotary over the cache (`positions`). */
  readonly positions: "relative" | "rope";
  /** Distances beyond it count as it (`clamp`); of relative positions alone. */
  readonly clamp: number;
  /** Whether every token sees as many: those of the cache (`same_length`). */
  readonly sameLength: boolean;
}

/** Attention to the last tokens alone (`window`). */
export interface WindowConfig {
  /** How many, a token itself included (`size`). */
  readonly size: number;
}

/** What a model looks back with: an object for each mechanism that a layer has. */
export interface AttentionConfig {
  /** Of each layer (`mechanisms`; the one that there is by default). */
  readonly mechanisms: readonly MechanismName[];
  /** Of the layers with landmark attention. */
  readonly landmark: LandmarkConfig | undefined;
  /** Of those with Infini-attention. */
  readonly infini: InfiniConfig | undefined;
  /** Of Transformer-XL. */
  readonly xl: XlConfig | undefined;
  /** Of those with a sliding window. */
  readonly window: WindowConfig | undefined;
}

/** What else the file says that mechanisms depend on. */
interface Surroundings {
  readonly width: number;
  readonly vocab: number;
  readonly layers: number;
  readonly tokenizer: "bytes" | "tokenizer.json";
  readonly contextLength: number;
}

/** Bytes are the ids below it; the landmark of a byte-level model is at least this. */
const BYTE_IDS = 256;
const MOST_TOKENS = 2 ** 22;
const NAMES: readonly MechanismName[] = ["landmark", "infini", "xl", "window"];

/** Reads what a configuration says of its mechanisms. @throws {ConfigError} */
export function readAttention(fields: Fields, around: Surroundings): AttentionConfig {
  const given = NAMES.filter((name) => fields.value(name) !== undefined);
  if (given.length === 0) {
    throw fields.wrong("landmark", 'an object such as {"block_size": 64, "token_id": 256}');
  }
  const mechanisms = readMechanisms(fields, given, around.layers);
  const own = (name: MechanismName): number[] =>
    [...mechanisms.keys()].filter((layer) => mechanisms[layer] === name);
  const read = <Config>(
    name: MechanismName,
    reader: (fields: Fields, around: Surroundings, layers: readonly number[]) => Config,
  ): Config | undefined => {
    const inner = fields.fields(name);
    return inner && reader(inner, around, own(name));
  };
  const landmark = read("landmark", readLandmark);
  return {
    mechanisms,
    landmark,
    infini: read("infini", (inner) => readInfini(inner, around, landmark?.blockSize)),
    xl: read("xl", readXl),
    window: read("window", readWindow),
  };
}

function readMechanisms(
  fields: Fields,
  given: readonly MechanismName[],
  layers: number,
): MechanismName[] {
  const value = fields.value("mechanisms");
  if (value === undefined && given.length === 1) return Array(layers).fill(given[0]);
  const names = given.map((name) => `"${name}"`).join(", ");
  const isName = (name: unknown): name is MechanismName => given.includes(name as MechanismName);
  if (!Array.isArray(value) || value.length !== layers || !value.every(isName)) {
    throw fields.wrong("mechanisms", `a list of ${layers}, one of ${names} for each layer`);
  }
  const unused = given.find((name) => !value.includes(name));
  if (unused) throw fields.wrong("mechanisms", `a list with "${unused}", which is described`);
  if (value.includes("xl") && given.length > 1) {
    throw fields.wrong("mechanisms", '"xl" in all layers or in none: it reads rows by windows');
  }
  return value;
}

function readLandmark(
  fields: Fields,
  around: Surroundings,
  layers: readonly number[],
): LandmarkConfig {
  const { vocab, tokenizer, contextLength } = around;
  const least = tokenizer === "bytes" ? BYTE_IDS : 0;
  const blockSize = fields.integer("block_size", { min: 2, max: 2 ** 16 });
  const topBlocks = fields.integer("top_blocks", { min: 1, max: 2 ** 12, fallback: 4 });
  // What the training window leaves beside the slots of the chosen blocks and the empty one.
  const rest = Math.floor(contextLength / blockSize) - (topBlocks + 1);
  const fallback = Math.max(1, rest) * blockSize;
  const chunk = fields.integer("chunk", { min: blockSize, max: MOST_TOKENS, fallback });
  if (chunk % blockSize !== 0) {
    throw fields.wrong("chunk", `a multiple of block_size, ${blockSize}`);
  }
  const memoryLayers = fields.value("memory_layers") ?? layers;
  if (!Array.isArray(memoryLayers) || !isAscending(memoryLayers, layers)) {
    const [first, last] = [layers[0], layers.at(-1)!];
    const mustBe = layers.length === last - first + 1
      ? `ascending layers in [${first}, ${last}]`
      : `ascending layers among ${layers.join(", ")}`;
    throw fields.wrong("memory_layers", mustBe);
  }
  const landmarkToken = fields.integer("token_id", { min: least, max: vocab - 1 });
  const beside = fields.fields("memory");
  const memory = beside && readCompressive(beside, around, blockSize);
  return { blockSize, landmarkToken, topBlocks, chunk, memoryLayers, memory };
}

/** @param blockSize Of the model's landmarks: a border must not part a token from the one behind it. */
function readCompressive(
  fields: Fields,
  { contextLength }: Surroundings,
  blockSize = 1,
): CompressiveConfig {
  const segment = fields.integer("segment", { min: 1, max: Math.min(contextLength, MOST_TOKENS) });
  if (segment % blockSize !== 0) {
    throw fields.wrong("segment", `a multiple of the landmarks' block_size, ${blockSize}`);
  }
  const update = oneOf(fields, "update", ["linear", "delta"], "delta");
  return { segment, update, learnedStart: flag(fields, "learned_start") };
}

function readInfini(fields: Fields, around: Surroundings, blockSize?: number): InfiniConfig {
  return {
    ...readCompressive(fields, around, blockSize),
    gate: oneOf(fields, "gate", ["memory", "local"], "memory"),
  };
}

function readXl(fields: Fields, { contextLength, width }: Surroundings): XlConfig {
  const window = fields.integer("window", { min: 1, max: Math.min(contextLength, MOST_TOKENS) });
  const cache = fields.integer("cache", { min: 0, max: MOST_TOKENS, fallback: window });
  if (width % 2 !== 0) throw fields.wrong("positions", "given to a model of even hidden_size");
  const clamp = { min: 1, max: 2 * MOST_TOKENS, fallback: window + cache };
  return {
    window,
    cache,
    positions: oneOf(fields, "positions", ["relative", "rope"], "relative"),
    clamp: fields.integer("clamp", clamp),
    sameLength: flag(fields, "same_length"),
  };
}

function readWindow(fields: Fields): WindowConfig {
  return { size: fields.integer("size", { min: 1, max: MOST_TOKENS }) };
}

function oneOf<Name extends string>(
  fields: Fields,
  name: string,
  names: readonly Name[],
  fallback: Name,
): Name {
  const value = fields.value(name) ?? fallback;
  if (names.includes(value as Name)) return value as Name;
  throw fields.wrong(name, names.map((each) => `"${each}"`).join(" or "));
}

function flag(fields: Fields, name: string): boolean {
  const value = fields.value(name) ?? false;
  if (typeof value === "boolean") return value;
  throw fields.wrong(name, "true or false");
}

function isAscending(list: unknown[], among: readonly number[]): list is number[] {
  return list.every((x, i) =>
    among.includes(x as number) && (i === 0 || (x as number) > Number(list[i - 1]))
  );
}

/** The fields that {@linkcode readAttention} reads back. */
export function attentionJson(config: AttentionConfig): Record<string, unknown> {
  const { mechanisms, landmark, infini, xl, window } = config;
  return {
    ...(new Set(mechanisms).size > 1 && { mechanisms }),
    ...(landmark && {
      landmark: {
        block_size: landmark.blockSize,
        token_id: landmark.landmarkToken,
        top_blocks: landmark.topBlocks,
        chunk: landmark.chunk,
        memory_layers: landmark.memoryLayers,
        ...(landmark.memory && { memory: compressiveJson(landmark.memory) }),
      },
    }),
    ...(infini && { infini: { ...compressiveJson(infini), gate: infini.gate } }),
    ...(xl && {
      xl: {
        window: xl.window,
        cache: xl.cache,
        positions: xl.positions,
        clamp: xl.clamp,
        same_length: xl.sameLength,
      },
    }),
    ...(window && { window }),
  };
}

function compressiveJson({ segment, update, learnedStart }: CompressiveConfig) {
  return { segment, update, learned_start: learnedStart };
}
