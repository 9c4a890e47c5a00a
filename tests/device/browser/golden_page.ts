/**
 * Runs in a browser: checks every golden case on its GPU, lets the embedded model answer there, and
 * posts how each came out.
 */

import { open } from "../../../src/cairn.ts";
import type { Device } from "../../../src/device/device.ts";
import { openDevice } from "../../../src/device/open.ts";
import { memoryFiles } from "../../../src/io/memory_files.ts";
import { readSafetensors } from "../../../src/model/checkpoint/safetensors.ts";
import { checkGolden, type Outcome } from "../../golden/golden.ts";
import { answersTo, type Question } from "./question.ts";

/** What the page posts, one after another. */
export type PageReport =
  | { readonly kind: "adapter"; readonly name: string }
  | { readonly kind: "case"; readonly name: string; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "answer"; readonly answers: readonly string[] }
  | { readonly kind: "end"; readonly problem?: string };

async function post(report: PageReport): Promise<void> {
  await fetch("report", { method: "POST", body: JSON.stringify(report) });
}

async function fetched(path: string): Promise<Uint8Array> {
  return new Uint8Array(await (await fetch(path)).arrayBuffer());
}

async function checkAll(): Promise<void> {
  using device = await openDevice({ device: "gpu" });
  await post({ kind: "adapter", name: device.info.name });
  const names: string[] = await (await fetch("cases")).json();
  for (const name of names) {
    const bytes = await fetched(`cases/${name}`);
    using file = await memoryFiles({ [name]: bytes }).open(name);
    const outcomes = await checkGolden(device, { name, ...await readSafetensors(file) });
    await post({ kind: "case", name, outcomes });
  }
  await answer(device);
}

async function answer(device: Device): Promise<void> {
  const names = ["model/config.json", "model/model.safetensors"];
  const files = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await fetched(name)] as const)),
  );
  const question: Question = await (await fetch("question")).json();
  using cairn = await open("model", { device, files: memoryFiles(files) });
  const answers = await answersTo(cairn, question);
  await post({ kind: "answer", answers });
}

try {
  await checkAll();
  await post({ kind: "end" });
} catch (error) {
  await post({ kind: "end", problem: error instanceof Error ? error.stack! : `${error}` });
}
