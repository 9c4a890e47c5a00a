import { type Files, isFolder } from "../io/files.ts";
import { openCheckpoint } from "../model/checkpoint/checkpoint.ts";
import type { MechanismName } from "../model/attention_config.ts";
import type { ModelConfig } from "../model/config.ts";
import { parameterShapes } from "../model/parameters.ts";
import type { Inspection } from "../session/session.ts";
import { UsageError } from "./args.ts";
import { type Command, command } from "./command.ts";
import { openModel } from "./open_model.ts";
import { facts, grouped, paint, sizeText, type Terminal } from "./terminal.ts";

/** `cairn inspect` */
export const inspect: Command = command({
  name: "inspect",
  summary: "Says what a model, or a memory that was saved, is and holds.",
  usage: "[MODEL | SNAPSHOT]",
  details:
    "Without a name, the embedded model. A snapshot is opened with the model that it belongs " +
    "to: --model, or the embedded one.",
  options: {},
  examples: [
    ["inspect models/tiny", "a model's folder"],
    ["inspect book.cairn", "what `ask --save` wrote"],
  ],
  async run(values, words, context) {
    if (words.length > 1) {
      throw new UsageError(`Cannot inspect more than one thing: "${words[1]}" is too many`);
    }
    const { terminal, files } = context;
    const [name] = words;
    if (name !== undefined && !await isFolder(files, name)) {
      using cairn = await openModel(values, context);
      using session = await cairn.restore(name);
      const inspection = session.inspect();
      if (values.json) terminal.out(`${JSON.stringify({ snapshot: name, ...inspection })}\n`);
      else terminal.out(describeSnapshot(name, inspection, terminal));
      return;
    }
    const place = name === undefined ? await context.resources.model() : { folder: name, files };
    const model = await lookAtModel(place);
    if (values.json) terminal.out(`${JSON.stringify(model)}\n`);
    else terminal.out(describeModel(model, terminal));
  },
});

/** What a model is. */
interface ModelFacts {
  readonly folder: string;
  readonly parameters: number;
  readonly sizeBytes: number;
  /** That a token costs in a session, with f16 storage. */
  readonly bytesPerToken: number;
  readonly config: ModelConfig;
}

async function lookAtModel(
  { folder, files }: { folder: string; files: Files },
): Promise<ModelFacts> {
  using checkpoint = await openCheckpoint(files, folder);
  const { config, sizeBytes } = checkpoint;
  const parameters = [...parameterShapes(config).values()]
    .reduce((sum, shape) => sum + shape.reduce((size, length) => size * length, 1), 0);
  const { kvHeads, headDim, landmark } = config;
  const bytesPerToken = 2 * (landmark?.memoryLayers.length ?? 0) * kvHeads * headDim * 2;
  return { folder, parameters, sizeBytes, bytesPerToken, config };
}

function describeModel(model: ModelFacts, terminal: Terminal): string {
  const { folder, parameters, sizeBytes, bytesPerToken, config } = model;
  const { heads, kvHeads, headDim } = config;
  return `${paint(terminal, "bold", folder)}\n` + facts(terminal, [
    ["parameters", `${grouped(parameters)}, ${sizeText(sizeBytes)} on disk`],
    ["layers", `${config.layers}, width ${config.width}, mlp ${config.mlpWidth}`],
    ["heads", `${heads}, ${kvHeads} for keys and values, of ${headDim}`],
    ["vocabulary", `${grouped(config.vocab)}, ${tokenizerText(config)}`],
    ["trained at", `${grouped(config.contextLength)} tokens`],
    ...mechanismFacts(config),
    ["a token costs", `${grouped(bytesPerToken)} bytes of memory, kept as f16`],
  ]);
}

/** A line or two for each mechanism. */
function mechanismFacts({ mechanisms, landmark, infini, xl, window }: ModelConfig) {
  const isMixed = new Set(mechanisms).size > 1;
  const layers = (name: MechanismName): string => {
    const own = [...mechanisms.keys()].filter((layer) => mechanisms[layer] === name);
    return isMixed ? `; layers ${own.join(", ")}` : "";
  };
  const lines: [string, string][] = [];
  if (landmark) {
    const { blockSize, topBlocks, chunk, memoryLayers } = landmark;
    lines.push(
      ["blocks", `of ${blockSize} tokens, ${topBlocks} read at a time, chunks of ${chunk}`],
      ["remembers in", `layers ${memoryLayers.join(", ")}`],
    );
  }
  if (infini) {
    const rule = infini.update === "delta" ? "by the delta rule" : "by adding";
    lines.push(["memory", `written ${rule} every ${infini.segment} tokens${layers("infini")}`]);
  }
  if (xl) lines.push(["cache", `of ${xl.cache} tokens before each window of ${xl.window}`]);
  if (window) lines.push(["window", `of ${window.size} tokens${layers("window")}`]);
  return lines;
}

function tokenizerText({ tokenizer }: ModelConfig): string {
  return tokenizer === "bytes" ? "a token a byte" : tokenizer;
}

function describeSnapshot(name: string, memory: Inspection, terminal: Terminal): string {
  const { tokens, blocks, evictedBlocks, bytesPerToken } = memory;
  return `${paint(terminal, "bold", name)}\n` + facts(terminal, [
    ["read", `${grouped(tokens)} tokens`],
    ["remembers", `${grouped(blocks)} blocks; ${grouped(evictedBlocks)} were forgotten`],
    ["holds", sizeText(memory.totalBytes)],
    ["  blocks", `${sizeText(memory.hostBytes)}, ${sizeText(memory.fileBytes)} in a file`],
    ["  landmarks", sizeText(memory.landmarkBytes)],
    ["  on the device", `${sizeText(memory.poolBytes)}, a cache of blocks`],
    ["  bookkeeping", sizeText(memory.tableBytes + memory.localBytes)],
    ["a token costs", `${grouped(bytesPerToken)} bytes`],
  ]);
}
