import { isFolder } from "../io/files.ts";
import type { Inspection } from "../session/session.ts";
import { UsageError } from "./args.ts";
import { type Command, command } from "./command.ts";
import { describeModel, lookAtModel } from "./model_facts.ts";
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

function describeSnapshot(name: string, memory: Inspection, terminal: Terminal): string {
  const { tokens, blocks, evictedBlocks, bytesPerToken, memoryBytes } = memory;
  return `${paint(terminal, "bold", name)}\n` + facts(terminal, [
    ["read", `${grouped(tokens)} tokens`],
    ["remembers", `${grouped(blocks)} blocks; ${grouped(evictedBlocks)} were forgotten`],
    ["holds", sizeText(memory.totalBytes)],
    ...memoryBytes > 0 ? [["  of fixed size", sizeText(memoryBytes)] as const] : [],
    ["  blocks", `${sizeText(memory.hostBytes)}, ${sizeText(memory.fileBytes)} in a file`],
    ["  landmarks", sizeText(memory.landmarkBytes)],
    ["  on the device", `${sizeText(memory.poolBytes)}, a cache of blocks`],
    ["  bookkeeping", sizeText(memory.tableBytes + memory.localBytes)],
    ["a token costs", `${grouped(bytesPerToken)} bytes`],
  ]);
}
