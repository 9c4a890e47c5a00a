/** The devices that tests run on, and how a test is declared for all of them. */

import { availableBuilds, type Build } from "../src/device/cpu/kernels.ts";
import { deviceOptions } from "../src/cli/device_options.ts";
import type { Device, DeviceInfo } from "../src/device/device.ts";
import { DeviceError } from "../src/device/device_error.ts";
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

/** CAIRN_TEST_DEVICES, such as "reference,gpu", leaves the other kinds out. */
function wanted(kind: DeviceInfo["kind"]): boolean {
  const kinds = Deno.env.get("CAIRN_TEST_DEVICES");
  return kinds === undefined || kinds.split(",").includes(kind);
}

async function cpu(build: Build, threads: number): Promise<NamedDevice> {
  const device = await openDevice({ device: "cpu", build, threads });
  return { name: `cpu ${build} ×${threads}`, family: build, device };
}

/**
 * The GPU, or what plays one, if there is any; CAIRN_REQUIRE_GPU=1 makes it an error if not.
 * CAIRN_TEST_GPU says whose WebGPU, as the option `--gpu` does.
 */
async function gpu(): Promise<NamedDevice[]> {
  const webGpu = Deno.env.get("CAIRN_TEST_GPU") ?? "builtin";
  try {
    const { options } = await deviceOptions({ device: "gpu", gpu: webGpu as "builtin" });
    return [{ name: "gpu", family: "gpu", device: await openDevice(options) }];
  } catch (error) {
    if (!(error instanceof DeviceError) || Deno.env.get("CAIRN_REQUIRE_GPU") === "1") throw error;
    return [];
  }
}

const builds = wanted("cpu") ? availableBuilds() : [];

/**
 * Every device here: the CPU in all builds that this engine runs, on one thread and on two, and the
 * GPU.
 */
export const devices: readonly NamedDevice[] = [
  ...wanted("reference") ? [{ name: "reference", family: "reference", device: reference }] : [],
  ...await Promise.all(builds.flatMap((build) => [cpu(build, 1), cpu(build, 2)])),
  ...wanted("gpu") ? await gpu() : [],
];

globalThis.addEventListener("unload", () => {
  for (const { device } of devices) device[Symbol.dispose]();
});

/** For what a GPU has no part in: lavapipe would take seconds for it. */
export const isNear = (device: Device): boolean => device.info.kind !== "gpu";

/**
 * Declares a test that holds on each device by itself, the reference included; `isFor` may leave
 * some out.
 */
export function testOnEach(
  name: string,
  body: (device: Device) => void | Promise<void>,
  isFor: (device: Device) => boolean = () => true,
): void {
  for (const { name: label, device } of devices) {
    if (!isFor(device)) continue;
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
