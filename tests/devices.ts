/** The devices that tests run on, and how a test is declared for all of them. */

import { availableBuilds, type Build } from "../src/device/cpu/kernels.ts";
import type { Device } from "../src/device/device.ts";
import { openDevice } from "../src/device/open.ts";
import { referenceDevice } from "../src/device/reference/reference_device.ts";
import { assertClose, EXACT, type Tolerance } from "./close.ts";
import { type Results, type Scene, stage } from "./stage.ts";

/** A device and what messages call it. */
export interface NamedDevice {
  readonly name: string;
  readonly device: Device;
  /** Devices of one family give the same bits: they differ in the number of threads only. */
  readonly family: string;
}

/** What the others are measured by. */
export const reference: Device = referenceDevice();

async function cpu(build: Build, threads: number): Promise<NamedDevice> {
  const device = await openDevice({ device: "cpu", build, threads });
  return { name: `cpu ${build} ×${threads}`, family: build, device };
}

const builds = availableBuilds();

/** Every device here: the CPU in all builds that this engine runs, on one thread and on two. */
export const devices: readonly NamedDevice[] = [
  { name: "reference", family: "reference", device: reference },
  ...await Promise.all(builds.flatMap((build) => [cpu(build, 1), cpu(build, 2)])),
];

globalThis.addEventListener("unload", () => {
  for (const { device } of devices) device[Symbol.dispose]();
});

/** Declares a test that holds on each device by itself, the reference included. */
export function testOnEach(
  name: string,
  body: (device: Device) => void | Promise<void>,
): void {
  for (const { name: label, device } of devices) {
    Deno.test(`${name} [${label}]`, async () => {
      const before = device.bytes;
      await body(device);
      if (device.bytes !== before) throw new Error(`${device.bytes - before} bytes were not freed`);
    });
  }
}

/** Declares a test that a scene has the same results on the reference and on every other device. */
export function testLikeReference(name: string, scene: Scene, tolerance: Tolerance): void {
  Deno.test(`${name} as on the reference`, async () => {
    const expected = await stage(reference, scene);
    const families = new Map<string, Results>();
    for (const { name: label, family, device } of devices) {
      if (device === reference) continue;
      const actual = await stage(device, scene);
      compare(actual, expected, tolerance, label);
      const sibling = families.get(family);
      if (sibling) compare(actual, sibling, EXACT, `${label} against fewer threads`);
      families.set(family, actual);
    }
  });
}

function compare(actual: Results, expected: Results, tolerance: Tolerance, label: string): void {
  for (const [output, numbers] of expected) {
    assertClose(actual.get(output)!, numbers, tolerance, `${output} on ${label}`);
  }
}
