// Runs every golden case of a folder on every device here, and prints the largest error of each
// result. Exit codes: 0 all within bounds, 1 not.
//
//   deno task golden [FOLDER]

import type { Tolerance } from "../tests/close.ts";
import { devices } from "../tests/devices.ts";
import {
  BOUNDS,
  checkGolden,
  goldenFiles,
  type Outcome,
  readGolden,
} from "../tests/golden/golden.ts";

const folder = Deno.args[0] ?? new URL("../tests/golden", import.meta.url).pathname;

/** 1.2e-7, and a mark where it is past its bound. */
function errorText({ error, withinBounds }: Outcome): string {
  return error.toExponential(1) + (withinBounds ? "" : " ✗");
}

/** One line a device: the case, the device, and each result's error. */
async function linesOf(path: string): Promise<string[][]> {
  const golden = await readGolden(path);
  const lines: string[][] = [];
  for (const { name, device } of devices) {
    const outcomes = await checkGolden(device, golden);
    misses += outcomes.filter(({ withinBounds }) => !withinBounds).length;
    const errors = outcomes.map((outcome) => `${outcome.output} ${errorText(outcome)}`);
    lines.push([golden.name, name, ...errors]);
  }
  return lines;
}

let misses = 0;
const broken: string[] = [];
const rows: string[][] = [];
const paths = goldenFiles(folder);
for (const path of paths) {
  try {
    rows.push(...await linesOf(path));
  } catch (error) {
    broken.push(`${path}: ${error instanceof Error ? error.message : error}`);
  }
}

const widths: number[] = [];
for (const row of rows) {
  row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
}
for (const row of rows) {
  console.log(row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd());
}

for (const line of broken) console.error(line);

const bound = ({ atol, rtol }: Tolerance): string =>
  `${atol.toExponential()} + ${rtol.toExponential()}·|x|`;
console.log(
  `\n${paths.length} cases on ${devices.length} devices: ${broken.length} not run, ` +
    `${misses} results past ${bound(BOUNDS.forward)} forward, ${bound(BOUNDS.gradient)} gradients`,
);
Deno.exit(misses + broken.length === 0 ? 0 : 1);
