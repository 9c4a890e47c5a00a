import { equal, rejects } from "node:assert/strict";
import { type DeviceName, openDevice } from "../../src/device/open.ts";

for (
  const [device, kind] of [["auto", "cpu"], ["cpu", "cpu"], ["reference", "reference"]] as const
) {
  Deno.test(`openDevice() opens ${device}`, async () => {
    using opened = await openDevice({ device });
    equal(opened.info.kind, kind);
  });
}

Deno.test("openDevice() takes no other device for one that is missing", async () => {
  await rejects(openDevice({ device: "gpu" }), { name: "DeviceError" });
  await rejects(openDevice({ device: "tpu" as DeviceName }), {
    name: "RangeError",
    message: "Cannot open a device as its name must be auto, cpu, gpu or reference: " +
      "current value is tpu",
  });
});
