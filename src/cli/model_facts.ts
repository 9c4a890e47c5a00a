/** What `inspect` says of a model. */

import { GATE } from "../attention/infini/plan.ts";
import type { Files } from "../io/files.ts";
import { openCheckpoint } from "../model/checkpoint/checkpoint.ts";
import type { CompressiveConfig, MechanismName } from "../model/attention_config.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterShapes } from "../model/parameters.ts";
import { facts, grouped, paint, sizeText, type Terminal } from "./terminal.ts";

/** What a model is. */
export interface ModelFacts {
  readonly folder: string;
  readonly parameters: number;
  readonly sizeBytes: number;
  /** That a token costs in a session, with f16 storage. */
  readonly bytesPerToken: number;
  readonly config: ModelConfig;
  /** How much the memory counts, by layer and query head, in [0, 1]; of Infini-attention alone. */
  readonly gates: Readonly<Record<number, readonly number[]>>;
}

/** Reads what there is to say of a model's folder. */
export async function lookAtModel(
  { folder, files }: { folder: string; files: Files },
): Promise<ModelFacts> {
  using checkpoint = await openCheckpoint(files, folder);
  const { config, sizeBytes } = checkpoint;
  const shapes = parameterShapes(config);
  const parameters = [...shapes.values()]
    .reduce((sum, shape) => sum + shape.reduce((size, length) => size * length, 1), 0);
  const { kvHeads, headDim, landmark } = config;
  const bytesPerToken = 2 * (landmark?.memoryLayers.length ?? 0) * kvHeads * headDim * 2;
  const gates: Record<number, number[]> = {};
  for (let layer = 0; layer < config.layers; layer++) {
    const name = `model.layers.${layer}.self_attn.${GATE}`;
    if (!shapes.has(name)) continue;
    const { data } = await checkpoint.read(name);
    gates[layer] = Array.from(data, (beta) => 1 / (1 + Math.exp(-beta)));
  }
  return { folder, parameters, sizeBytes, bytesPerToken, config, gates };
}

/** The same for people. */
export function describeModel(model: ModelFacts, terminal: Terminal): string {
  const { folder, parameters, sizeBytes, bytesPerToken, config, gates } = model;
  const { heads, kvHeads, headDim } = config;
  return `${paint(terminal, "bold", folder)}\n` + facts(terminal, [
    ["parameters", `${grouped(parameters)}, ${sizeText(sizeBytes)} on disk`],
    ["layers", `${config.layers}, width ${config.width}, mlp ${config.mlpWidth}`],
    ["heads", `${heads}, ${kvHeads} for keys and values, of ${headDim}`],
    ["vocabulary", `${grouped(config.vocab)}, ${tokenizerText(config)}`],
    ["trained at", `${grouped(config.contextLength)} tokens`],
    ...mechanismFacts(config),
    ...gateFacts(Object.values(gates).flat()),
    ["a token costs", `${grouped(bytesPerToken)} bytes of memory, kept as f16`],
  ]);
}

/** A line or two for each mechanism. */
function mechanismFacts(
  { mechanisms, landmark, infini, xl, window }: ModelConfig,
): [string, string][] {
  const isMixed = new Set(mechanisms).size > 1;
  const layers = (name: MechanismName): string => {
    const own = [...mechanisms.keys()].filter((layer) => mechanisms[layer] === name);
    return isMixed ? `; layers ${own.join(", ")}` : "";
  };
  const memoryText = ({ update, segment }: CompressiveConfig): string =>
    `written ${update === "delta" ? "by the delta rule" : "by adding"} every ${segment} tokens`;
  const lines: [string, string][] = [];
  if (landmark) {
    const { blockSize, topBlocks, chunk, memoryLayers, memory } = landmark;
    lines.push(
      ["blocks", `of ${blockSize} tokens, ${topBlocks} read at a time, chunks of ${chunk}`],
      ["remembers in", `layers ${memoryLayers.join(", ")}`],
    );
    if (memory) lines.push(["memory", `beside the blocks, ${memoryText(memory)}`]);
  }
  if (infini) lines.push(["memory", `${memoryText(infini)}${layers("infini")}`]);
  if (xl) lines.push(["cache", `of ${xl.cache} tokens before each window of ${xl.window}`]);
  if (window) lines.push(["window", `of ${window.size} tokens${layers("window")}`]);
  return lines;
}

const BARS = " ▁▂▃▄▅▆▇█";
const TENTHS = 10;

/** How many heads count on their memory how much: a histogram over the tenths from 0 to 1. */
function gateFacts(gates: readonly number[]): [string, string][] {
  if (gates.length === 0) return [];
  const counts = new Array<number>(TENTHS).fill(0);
  for (const gate of gates) counts[Math.min(TENTHS - 1, Math.floor(gate * TENTHS))]++;
  const most = Math.max(...counts);
  const bars = counts.map((count) => BARS[Math.ceil(count / most * (BARS.length - 1))]).join("");
  const text = `0 |${bars}| 1, ${gates.length} heads, ` +
    `${counts[0]} below 0.1 and ${counts[TENTHS - 1]} from 0.9 on`;
  return [["gates", text]];
}

function tokenizerText({ tokenizer }: ModelConfig): string {
  return tokenizer === "bytes" ? "a token a byte" : tokenizer;
}
