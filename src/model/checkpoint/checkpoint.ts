/**
 * Model folders as the Hugging Face ecosystem has them: `config.json` beside `model.safetensors`,
 * or beside the shards that a `model.safetensors.index.json` names.
 */
import { GATE } from "../../attention/infini/plan.ts";
import {
  type Files,
  isFile,
  joinPath,
  type RandomAccessFile,
  readText,
  writeText,
} from "../../io/files.ts";
import { formatConfig, type ModelConfig, parseConfig } from "../config.ts";
import { parameterShapes } from "../parameters.ts";
import { CheckpointError } from "./checkpoint_error.ts";
import { readHeader, readTensor, writeSafetensors } from "./safetensors.ts";
import type { HostTensor, TensorData, WriteOptions } from "./safetensors.ts";
import type { TensorEntry } from "./safetensors_header.ts";
import { readShardNames } from "./shards.ts";

/** A model in plain memory. */
export interface HostModel {
  /** What the model is. */
  readonly config: ModelConfig;
  /** By their Hugging Face names, as `parameterShapes(config)` lists them. */
  readonly weights: ReadonlyMap<string, HostTensor<Float32Array>>;
}

/** A model folder whose files are open and fit together; its weights are read one by one. */
export interface Checkpoint extends Disposable {
  /** What the model is. */
  readonly config: ModelConfig;
  /** Of the weights' files, on the disk. */
  readonly sizeBytes: number;
  /** Reads one parameter as f32. @throws {CheckpointError} If a number is NaN or infinite. */
  read(name: string): Promise<HostTensor<Float32Array>>;
}

/** What Llama models of another implementation of Infini-attention call their gates. */
const OTHER_GATE = /\.self_attn\.gate$/;
const CONFIG = "config.json";
const WEIGHTS = "model.safetensors";
/** A configuration is short; what is longer is another file. */
const CONFIG_LIMIT_BYTES = 2 ** 20;

/** A tensor, and the open file that holds it. */
interface Stored {
  readonly file: RandomAccessFile;
  readonly entry: TensorEntry;
}

/**
 * Opens a model folder, and checks that its weights are exactly those its configuration promises.
 *
 * @throws {ConfigError} If the configuration cannot be read.
 * @throws {CheckpointError} If a file is broken, or a tensor is missing, unknown or of a wrong shape.
 * @throws {FileError} If a file is missing or cannot be read.
 */
export async function openCheckpoint(files: Files, folder: string): Promise<Checkpoint> {
  const config = parseConfig(
    await readText(files, joinPath(folder, CONFIG), { limitBytes: CONFIG_LIMIT_BYTES }),
  );
  const open: RandomAccessFile[] = [];
  const close = (): void => open.forEach((file) => file[Symbol.dispose]());
  try {
    const names = await weightFiles(files, folder);
    for (const name of names) open.push(await files.open(joinPath(folder, name)));
    const stored = await index(open);
    checkAgainst(config, joinPath(folder, WEIGHTS), stored);
    const sizes = await Promise.all(open.map((file) => file.size()));
    return {
      config: withOwnGates(config),
      sizeBytes: sizes.reduce((a, b) => a + b, 0),
      read: (name) => readParameter(config, stored, name),
      [Symbol.dispose]: close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

/** The configuration of the weights as they are read. */
function withOwnGates(config: ModelConfig): ModelConfig {
  const { infini } = config;
  return infini ? { ...config, infini: { ...infini, gate: "memory" } } : config;
}

async function weightFiles(files: Files, folder: string): Promise<string[]> {
  const indexPath = joinPath(folder, `${WEIGHTS}.index.json`);
  const isSharded = !await isFile(files, joinPath(folder, WEIGHTS)) &&
    await isFile(files, indexPath);
  return isSharded ? readShardNames(files, indexPath) : [WEIGHTS];
}

async function index(open: readonly RandomAccessFile[]): Promise<Map<string, Stored>> {
  const stored = new Map<string, Stored>();
  for (const file of open) {
    const { entries } = await readHeader(file);
    for (const entry of entries.values()) {
      const name = entry.name.replace(OTHER_GATE, `.self_attn.${GATE}`);
      const other = stored.get(name);
      if (other) {
        const problem = `it must be in one file only: it is in "${other.file.path}" too`;
        throw new CheckpointError(file.path, entry.name, problem);
      }
      stored.set(name, { file, entry });
    }
  }
  return stored;
}

/** Gates that are the local attention's share are turned into the memory's: σ(−β) = 1 − σ(β). */
async function readParameter(
  { infini }: ModelConfig,
  stored: ReadonlyMap<string, Stored>,
  name: string,
): Promise<HostTensor<Float32Array>> {
  const weight = await readWeight(stored, name);
  if (!name.endsWith(`.${GATE}`)) return weight;
  const { data } = weight;
  return {
    shape: [data.length],
    data: infini?.gate === "local" ? data.map((beta) => -beta) : data,
  };
}

/** Older Llama files carry this table; the configuration says the same. */
const ROTARY_TABLE = ".rotary_emb.inv_freq";
const FLOATS: readonly string[] = ["F32", "F16", "BF16", "F64"];

function checkAgainst(
  config: ModelConfig,
  path: string,
  stored: ReadonlyMap<string, Stored>,
): void {
  const shapes = parameterShapes(config);
  const missing = [...shapes.keys()].filter((name) => !stored.has(name));
  if (missing.length > 0) {
    const more = missing.length === 1 ? "" : `, and ${missing.length - 1} more are missing`;
    const shape = shapes.get(missing[0])!.join(", ");
    const problem = `${CONFIG} asks for it, of shape [${shape}]: it is not there${more}`;
    throw new CheckpointError(path, missing[0], problem);
  }
  for (const [name, { file, entry }] of stored) {
    const expected = shapes.get(name);
    if (!expected) {
      if (name.endsWith(ROTARY_TABLE)) continue;
      const problem = `${CONFIG} must have a place for it: the model has no such parameter`;
      throw new CheckpointError(file.path, name, problem);
    }
    // The other implementation keeps a gate of each head as [1, H, 1, 1].
    const shape = OTHER_GATE.test(entry.name)
      ? [entry.shape.reduce((size, length) => size * length, 1)]
      : entry.shape;
    if (expected.join() !== shape.join()) {
      const problem = `its shape must be [${expected.join(", ")}] by ${CONFIG}`;
      const actual = `current value is [${entry.shape.join(", ")}]`;
      throw new CheckpointError(file.path, name, `${problem}: ${actual}`);
    }
    if (!FLOATS.includes(entry.dtype)) {
      const problem = `its dtype must be one of ${FLOATS.join(", ")}`;
      throw new CheckpointError(file.path, name, `${problem}: current value is ${entry.dtype}`);
    }
  }
}

async function readWeight(
  stored: ReadonlyMap<string, Stored>,
  name: string,
): Promise<HostTensor<Float32Array>> {
  const place = stored.get(name);
  if (!place) {
    throw new RangeError(`Cannot read "${name}" as it must be a parameter of the model`);
  }
  const { shape, data } = await readTensor(place.file, place.entry);
  const floats = data instanceof Float32Array ? data : Float32Array.from(data);
  refuseNonFinite(place.file.path, name, shape, floats);
  return { shape, data: floats };
}

function refuseNonFinite(
  path: string,
  name: string,
  shape: readonly number[],
  data: Float32Array,
): void {
  // x − x is 0 for every finite number and NaN for the others: one quick pass for the usual case.
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += data[i] - data[i];
  if (sum === 0) return;
  const at = data.findIndex((x) => !Number.isFinite(x));
  const where: number[] = [];
  for (let axis = shape.length - 1, rest = at; axis >= 0; axis--) {
    where.unshift(rest % shape[axis]);
    rest = Math.floor(rest / shape[axis]);
  }
  const problem = `its numbers must be finite: element [${where.join(", ")}] is ${data[at]}`;
  throw new CheckpointError(path, name, problem);
}

/** Reads a whole model folder into memory; throws what {@linkcode openCheckpoint} throws. */
export async function loadCheckpoint(files: Files, folder: string): Promise<HostModel> {
  using checkpoint = await openCheckpoint(files, folder);
  const { config } = checkpoint;
  const weights = new Map<string, HostTensor<Float32Array>>();
  for (const name of parameterShapes(config).keys()) weights.set(name, await checkpoint.read(name));
  return { config, weights };
}

/**
 * Writes a model folder: weights first, then the configuration, each whole or not at all.
 *
 * @throws {RangeError} If the weights are not those of the configuration.
 */
export async function saveCheckpoint(
  files: Files,
  folder: string,
  model: HostModel,
  options: WriteOptions = {},
): Promise<void> {
  const { config, weights } = model;
  const shapes = parameterShapes(config);
  for (const name of new Set([...shapes.keys(), ...weights.keys()])) {
    const expected = shapes.get(name)?.join(", ");
    const actual = weights.get(name)?.shape.join(", ");
    if (expected !== actual) {
      const problem = `"${name}" must be ${expected === undefined ? "left out" : `[${expected}]`}`;
      throw new RangeError(`Cannot save the model as ${problem}: current value is [${actual}]`);
    }
  }
  await files.makeFolder(folder);
  // Readers of the ecosystem ask for "format"; "pt" says that matrices are [out, in].
  const metadata = { format: "pt", ...options.metadata };
  const tensors: ReadonlyMap<string, HostTensor<TensorData>> = weights;
  await files.replace(
    joinPath(folder, WEIGHTS),
    (file) => writeSafetensors(file, tensors, { ...options, metadata }),
  );
  await writeText(files, joinPath(folder, CONFIG), formatConfig(config));
}
