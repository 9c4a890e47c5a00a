/** Runs in a browser: checks every golden case on its GPU, and posts how each came out. */

import { openDevice } from "../../../src/device/open.ts";
import { memoryFiles } from "../../../src/io/memory_files.ts";
import { readSafetensors } from "../../../src/model/checkpoint/safetensors.ts";
import { checkGolden, type Outcome } from "../../golden/golden.ts";

/** What the page posts, one after another. */
export type PageReport =
  | { readonly kind: "adapter"; readonly name: string }
  | { readonly kind: "case"; readonly name: string; readonly outcomes: readonly Outcome[] }
  | { readonly kind: "end"; readonly problem?: string };

async function post(report: PageReport): Promise<void> {
  await fetch("report", { method: "POST", body: JSON.stringify(report) });
}

async function checkAll(): Promise<void> {
  using device = await openDevice({ device: "gpu" });
  await post({ kind: "adapter", name: device.info.name });
  const names: string[] = await (await fetch("cases")).json();
  for (const name of names) {
    const bytes = new Uint8Array(await (await fetch(`cases/${name}`)).arrayBuffer());
    using file = await memoryFiles({ [name]: bytes }).open(name);
    const outcomes = await checkGolden(device, { name, ...await readSafetensors(file) });
    await post({ kind: "case", name, outcomes });
  }
}

try {
  await checkAll();
  await post({ kind: "end" });
} catch (error) {
  await post({ kind: "end", problem: error instanceof Error ? error.stack! : `${error}` });
}
