import { plot } from "../train/plot.ts";
import type { ModelResult } from "./comparison.ts";

/** How well each model foretells held-out text, by how much of it was read before. */
export function foretellingPlot(results: readonly ModelResult[]): string {
  return plot(
    results.map(({ name, text }) => ({
      label: name,
      points: text.stretches.map(({ to, bitsPerByte }) => ({ x: Math.log2(to), y: bitsPerByte })),
    })),
    {
      title: "Held-out text, by position",
      xLabel: "tokens read, as a power of two",
      yLabel: "bits per byte",
    },
  );
}

/** How many pass keys each model finds, by the length of the prompt. */
export function passkeyPlot(results: readonly ModelResult[]): string {
  return plot(
    results.map(({ name, passkeys }) => ({
      label: name,
      points: passkeys.map(({ length, all }) => ({
        x: Math.log2(length),
        y: 100 * all.right / all.asked,
      })),
    })),
    {
      title: "Pass keys found in real text",
      xLabel: "tokens of the prompt, as a power of two",
      yLabel: "percent",
    },
  );
}
