import { open } from "../cairn.ts";
import {
  type Comparison,
  type ComparisonMeasure,
  measureModel,
  type ModelResult,
  parseComparison,
} from "../eval/comparison.ts";
import { foretellingPlot, passkeyPlot } from "../eval/comparison_plot.ts";
import type { Device } from "../device/device.ts";
import { openDevice } from "../device/open.ts";
import { type Files, isFile, joinPath, readText, writeText } from "../io/files.ts";
import { byteTokenizer } from "../model/tokenizer/byte_tokenizer.ts";
import { splitCorpus } from "../train/data/corpus.ts";
import type { Recipe } from "../train/recipe.ts";
import { runTraining } from "../train/run.ts";
import { text } from "./args.ts";
import { type Command, command, oneWord } from "./command.ts";
import { deviceOptions } from "./device_options.ts";
import { startProgress } from "./progress.ts";
import { grouped, paint, sizeText, table, type Terminal } from "./terminal.ts";
import { showTraining } from "./train.ts";

/** `cairn compare` */
export const compare: Command = command({
  name: "compare",
  summary: "Trains mechanisms on the same text, and sets them side by side.",
  usage: "COMPARISON",
  details:
    "COMPARISON is a JSON file; docs/compare.md has its fields, and what the figures mean. What a " +
    "folder holds already is neither trained nor measured again, runs that were stopped go on. " +
    "--model is not used.",
  options: {
    out: text("FOLDER", "where runs, models, results and plots go", "comparison"),
  },
  examples: [
    ["compare models/recipes/compare_small.json --out comparison", "minutes on two cores"],
  ],
  async run(values, words, { terminal, files }) {
    const comparison = parseComparison(await readText(files, oneWord(words, "comparison")));
    using opened = await deviceOptions(values);
    using device = await openDevice(opened.options);
    const { out } = values;
    await files.makeFolder(out);
    for (const [name, recipe] of comparison.recipes) {
      await trainOne(name, recipe, folderOf(out, name), { device, files, terminal });
    }
    const { measure } = comparison;
    const results = await measureAll(comparison, out, { device, files, terminal });
    const about = { measure, results };
    await writeText(files, joinPath(out, "results.json"), `${JSON.stringify(about, null, 2)}\n`);
    await writeText(files, joinPath(out, "text.svg"), foretellingPlot(results));
    await writeText(files, joinPath(out, "passkeys.svg"), passkeyPlot(results));
    if (values.json) terminal.out(`${JSON.stringify(about)}\n`);
    else terminal.out(`${tableOf(results, terminal)}\nPlots and results.json are in ${out}\n`);
  },
});

interface Surroundings {
  readonly device: Device;
  readonly files: Files;
  readonly terminal: Terminal;
}

function folderOf(out: string, name: string): string {
  return joinPath(out, name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-"));
}

async function trainOne(
  name: string,
  recipe: Recipe,
  folder: string,
  { device, files, terminal }: Surroundings,
): Promise<void> {
  terminal.note(`${paint(terminal, "bold", name)}\n`);
  if (await isFile(files, joinPath(folder, "model/config.json"))) return;
  const resume = await isFile(files, joinPath(folder, "training.safetensors"));
  const { signal } = terminal;
  for await (const event of runTraining(recipe, folder, { device, files, resume, signal })) {
    showTraining(event, terminal);
  }
}

async function measureAll(
  { recipes, measure }: Comparison,
  out: string,
  surroundings: Surroundings,
): Promise<ModelResult[]> {
  const results: ModelResult[] = [];
  for (const [name, recipe] of recipes) {
    const kept = joinPath(folderOf(out, name), "result.json");
    const before = await keptResult(kept, measure, surroundings.files);
    const result = before ?? await measureOne(name, recipe, { out, measure }, surroundings);
    if (!before) await writeText(surroundings.files, kept, resultText(measure, result));
    results.push(result);
  }
  return results;
}

/** What was measured before, if in the same way. */
async function keptResult(
  path: string,
  measure: ComparisonMeasure,
  files: Files,
): Promise<ModelResult | undefined> {
  if (!await isFile(files, path)) return undefined;
  const text = await readText(files, path);
  try {
    const { result } = JSON.parse(text);
    return text === resultText(measure, result) ? result : undefined;
  } catch {
    return undefined;
  }
}

function resultText(measure: ComparisonMeasure, result: ModelResult): string {
  return `${JSON.stringify({ measure, result }, null, 2)}\n`;
}

async function measureOne(
  name: string,
  recipe: Recipe,
  { out, measure }: { out: string; measure: ComparisonMeasure },
  { device, files, terminal }: Surroundings,
): Promise<ModelResult> {
  const heldOut = await heldOutText(recipe, files);
  using cairn = await open(joinPath(folderOf(out, name), "model"), { device, files });
  let progress = startProgress(terminal, name);
  let what = "";
  const result = await measureModel(name, cairn, heldOut, measure, {
    signal: terminal.signal,
    onProgress(now, done, total) {
      if (now !== what) {
        progress.clear();
        progress = startProgress(terminal, `${name}, ${what = now}`, { unit: "" });
      }
      progress.update(done, total);
    },
  });
  progress.clear();
  return result;
}

/** The ends of the recipe's texts, which no model has learnt from. */
async function heldOutText({ data }: Recipe, files: Files): Promise<string> {
  const texts: string[] = [];
  for (const path of data.text) texts.push(await readText(files, path));
  const { encode, decode } = byteTokenizer();
  return decode(splitCorpus(texts, data.heldOut, encode).heldOut.tokens);
}

function tableOf(results: readonly ModelResult[], terminal: Terminal): string {
  const [first] = results;
  const head = [
    "model",
    "parameters",
    ...first.text.stretches.map(({ from, to }) => `${grouped(from)}–${grouped(to)}`),
    "all",
    ...first.passkeys.map(({ length }) => `keys at ${grouped(length)}`),
    "memory",
    "tokens/s",
  ];
  const rows = results.map(({ name, parameters, text, passkeys, memoryBytes, tokensPerSecond }) => [
    name,
    grouped(parameters),
    ...text.stretches.map(({ perplexity }) => perplexity.toFixed(3)),
    paint(terminal, "bold", text.all.perplexity.toFixed(3)),
    ...passkeys.map(({ all: { right, asked, low, high } }) =>
      `${right}/${asked} (${low.toFixed(2)}–${high.toFixed(2)})`
    ),
    sizeText(memoryBytes),
    grouped(Math.round(tokensPerSecond)),
  ]);
  return "\nPerplexity a token of held-out text by position, and pass keys found\n\n" +
    table([head, ...rows]);
}
