import { deepEqual, equal, throws } from "node:assert/strict";
import type { Device } from "../src/device/device.ts";
import { devices, testOnEach } from "./devices.ts";
import { checkGolden, goldenFiles, kindOf, readGolden } from "./golden/golden.ts";

const FOLDER = new URL("golden", import.meta.url).pathname;
const XL_FOLDER = new URL("golden_xl", import.meta.url).pathname;

/** Whether a tensor of a case is computed, not given. */
function isResult(name: string): boolean {
  if (name.startsWith("grad_")) return name !== "grad_out";
  return ["out", "sums", "memory", "normalizer"].includes(name);
}

for (const path of [...goldenFiles(FOLDER), ...goldenFiles(XL_FOLDER)]) {
  const golden = await readGolden(path);
  testOnEach(`golden case ${golden.name}`, async (device) => {
    const outcomes = await checkGolden(device, golden);
    deepEqual(outcomes.filter(({ withinBounds }) => !withinBounds), []);
    const results = Array.from(golden.tensors.keys()).filter(isResult);
    deepEqual(outcomes.map(({ output }) => output).sort(), results.sort());
  });
}

Deno.test("kindOf() names the file and its tensors when it knows no such kind", async () => {
  const golden = await readGolden(goldenFiles(FOLDER)[0]);
  const tensors = new Map([...golden.tensors, ["beta", { shape: [2], data: new Float32Array(2) }]]);
  const message = new RegExp(
    `"${golden.name}".*landmark attention, Infini-attention.*beta \\[2\\]`,
  );
  throws(() => kindOf({ ...golden, tensors }), { name: "TypeError", message });
  tensors.delete("beta");
  tensors.set("foreign_k", { shape: [1, 1, 2], data: new Float32Array(2) });
  throws(() => kindOf({ ...golden, tensors }), { name: "TypeError", message: /foreign_k/ });
});

Deno.test("checkGolden() finds a result that is off, and one that is no number", async () => {
  const [{ device }] = devices;
  const golden = await readGolden(goldenFiles(FOLDER).find((path) => path.includes("odd"))!);
  for (const [wrong, error] of [[(x: number) => x + 1e-3, 1e-3], [() => NaN, NaN]] as const) {
    const broken: Device = {
      ...device,
      read: async (tensor) => (await device.read(tensor) as Float64Array).map(wrong),
    };
    const outcomes = await checkGolden(broken, golden);
    deepEqual(outcomes.map(({ withinBounds }) => withinBounds), [false, false, false, false]);
    equal(outcomes[0].error.toFixed(5), error.toFixed(5));
  }
});
