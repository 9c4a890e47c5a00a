/**
 * What the GPU does, by timestamps: products, landmark attention, Infini-attention, what the
 * memory's speed bounds, training and reading; and whether it is right.
 *
 *   deno task bench:gpu [--parts check,matmul,...] [--only TEXT] [--repeats 9] [--small]
 *                       [--gpu builtin|dawn|dawn-unchecked] [--model models/tiny]
 *                       [--text books/opticks.txt] [--golden tests/golden] [--emulate]
 *                       [--precision f32|mixed]
 *
 * One JSON object a line as results come in, and a table at the end. `--only` takes the rows whose
 * name holds the text. Without `--gpu`, Dawn where DAWN_NODE names it, else Deno's own WebGPU. With
 * `--emulate` the tensor cores that halves need are played, to be tried where there are none.
 * docs/gpu.md says how to make one file of it, for a machine without a network.
 */
import { parseArgs } from "node:util";
import { deviceOptions } from "../src/cli/device_options.ts";
import { openAdapter, requestAdapter } from "../src/device/gpu/adapter.ts";
import { type GpuDevice, gpuDeviceOn, openGpuDevice } from "../src/device/gpu/gpu_device.ts";
import { createGpuHost } from "../src/device/gpu/gpu_host.ts";
import { emulateTensorCores } from "../tests/emulated_tensor_cores.ts";
import { benchAttention } from "./gpu/attention.ts";
import type { Bench, Row } from "./gpu/bench.ts";
import { check } from "./gpu/check.ts";
import { benchHalf } from "./gpu/half.ts";
import { benchInfini, benchLong } from "./gpu/infini.ts";
import { benchMatmul } from "./gpu/matmul.ts";
import { benchCopy, benchDecode, benchScan } from "./gpu/memory.ts";
import { benchReading } from "./gpu/reading.ts";
import { benchTraining } from "./gpu/training.ts";

const PARTS: Readonly<Record<string, (bench: Bench) => Promise<void>>> = {
  check,
  matmul: benchMatmul,
  attention: benchAttention,
  infini: benchInfini,
  long: benchLong,
  half: benchHalf,
  copy: benchCopy,
  decode: benchDecode,
  scan: benchScan,
  training: benchTraining,
  reading: benchReading,
};
/** Kernels that a row of the table names. */
const SHOWN = 12;

const { values: options } = parseArgs({
  options: {
    parts: { type: "string", default: Object.keys(PARTS).join() },
    only: { type: "string", default: "" },
    repeats: { type: "string", default: "9" },
    small: { type: "boolean", default: false },
    emulate: { type: "boolean", default: false },
    gpu: { type: "string", default: Deno.env.has("DAWN_NODE") ? "dawn" : "builtin" },
    model: { type: "string", default: "models/tiny" },
    text: { type: "string", default: "books/opticks.txt" },
    golden: { type: "string", default: "tests/golden" },
    precision: { type: "string", default: "f32" },
  },
});

// Not disposed of: the last thing a process does may be to wait for Dawn.
const { options: { gpu } } = await deviceOptions({
  device: "gpu",
  gpu: options.gpu as "builtin" | "dawn" | "dawn-unchecked",
});
const precision = options.precision as "f32" | "mixed";
const rows: Row[] = [];
const bench: Bench = {
  small: options.small,
  repeats: Number(options.repeats),
  wanted: (name) => name.includes(options.only),
  open: (profile) =>
    options.emulate ? openEmulated(profile) : openGpuDevice({ gpu, profile, precision }),
  report(row) {
    rows.push(row);
    console.log(JSON.stringify(row));
  },
  gpu,
  emulate: options.emulate,
  model: options.model,
  text: options.text,
  golden: options.golden,
};

{
  using device = await bench.open(false);
  const { name, tensorBytes, details } = device.info;
  const host = { deno: Deno.version.deno, webgpu: options.gpu, date: new Date().toISOString() };
  console.log(JSON.stringify({ part: "on", name, ...host, tensorBytes, ...details }));
}
let failures = 0;
for (const name of options.parts.split(",")) {
  const part = PARTS[name];
  if (!part) throw new RangeError(`There is no part "${name}": ${Object.keys(PARTS).join(", ")}`);
  try {
    await part(bench);
  } catch (error) {
    // The parts behind it still tell something.
    failures++;
    console.error(`part ${name}:`, error);
  }
}
for (const row of rows) console.log(lineOf(row));
const wrong = rows.filter(({ note }) => note?.startsWith("WRONG"));
if (wrong.length > 0) console.log(`WRONG: ${wrong.map(({ name }) => name).join("; ")}`);
Deno.exit(failures > 0 || wrong.length > 0 ? 1 : 0);

async function openEmulated(profile: boolean): Promise<GpuDevice> {
  const adapter = await requestAdapter({ gpu });
  if (!adapter) throw new Error("Cannot measure as there must be an adapter: none was found");
  const open = await openAdapter(adapter);
  return gpuDeviceOn(emulateTensorCores(createGpuHost(open, profile)), open, precision);
}

function lineOf({ part, name, ms, rate, unit, kernels, note }: Row): string {
  const time = ms === undefined ? "" : `${ms.toFixed(3)} ms`;
  const speed = rate === undefined ? "" : `${Number(rate.toPrecision(4))} ${unit}`;
  const shown = Object.entries(kernels ?? {}).slice(0, SHOWN)
    .map(([name, { runs, ms }]) =>
      `${name} ${runs > 1 ? `${+runs.toFixed(1)}: ` : ""}${ms.toFixed(3)}`
    )
    .join(", ");
  return [
    part.padEnd(10),
    name.padEnd(44),
    time.padStart(12),
    speed.padStart(18),
    " ",
    [note, shown].filter(Boolean).join("; "),
  ].join(" ").trimEnd();
}
