import { equal, ok, rejects } from "node:assert/strict";
import { isSoftware, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { type DeviceName, openDevice } from "../../src/device/open.ts";
import { accidentGpu } from "./accidents.ts";

/** A WebGPU without adapters. */
const NO_GPU = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;

const adapter = await requestAdapter({});
const hasHardware = adapter !== undefined && !isSoftware(adapter);

for (const device of ["cpu", "reference"] as const) {
  Deno.test(`openDevice() opens ${device}`, async () => {
    using opened = await openDevice({ device });
    equal(opened.info.kind, device);
  });
}

Deno.test("openDevice() takes a GPU unasked only where there is one of its own", async () => {
  using opened = await openDevice();
  equal(opened.info.kind, hasHardware ? "gpu" : "cpu");
  using without = await openDevice({ gpu: NO_GPU });
  equal(without.info.kind, "cpu");
});

Deno.test({
  name: "openDevice() tells a GPU from a program that plays one",
  ignore: adapter === undefined,
  fn: async () => {
    for (
      const [info, kind] of [
        [{ description: "NVIDIA H100 80GB HBM3" }, "gpu"],
        [{ vendor: "apple", architecture: "common-3" }, "gpu"],
        [{ description: "llvmpipe (LLVM 15.0.6, 256 bits)" }, "cpu"],
        [{ description: "SwiftShader Device (Subzero)" }, "cpu"],
        [{ vendor: "google", architecture: "swiftshader" }, "cpu"],
        [{ description: "Microsoft Basic Render Driver" }, "cpu"],
        [{ description: "a GPU", isFallbackAdapter: true }, "cpu"],
      ] as const
    ) {
      using opened = await openDevice({ gpu: accidentGpu(adapter!, { info }) });
      equal(opened.info.kind, kind, JSON.stringify(info));
      using named = await openDevice({ device: "gpu", gpu: accidentGpu(adapter!, { info }) });
      equal(named.info.kind, "gpu");
    }
  },
});

Deno.test({
  name: "openDevice() does without a GPU that is too small, and says so when it was named",
  ignore: adapter === undefined,
  fn: async () => {
    for (const limit of ["maxStorageBuffersPerShaderStage", "maxComputeWorkgroupStorageSize"]) {
      const gpu = accidentGpu(adapter!, { info: { description: "a GPU" }, limits: { [limit]: 4 } });
      using opened = await openDevice({ gpu });
      equal(opened.info.kind, "cpu");
      await rejects(openDevice({ device: "gpu", gpu }), {
        name: "DeviceError",
        message: new RegExp(
          `^Cannot open the GPU as its ${limit} must be at least \\d+: current value is 4$`,
        ),
      });
    }
  },
});

Deno.test("openDevice() takes no other device for one that is missing", async () => {
  await rejects(openDevice({ device: "gpu", gpu: NO_GPU }), {
    name: "DeviceError",
    message: /^Cannot open a GPU as there must be an adapter, .*: none was found$/,
  });
  await rejects(openDevice({ device: "tpu" as DeviceName }), {
    name: "RangeError",
    message: "Cannot open a device as its name must be auto, cpu, gpu or reference: " +
      "current value is tpu",
  });
});

Deno.test("openDevice() takes the CPU where its kernels are given", async () => {
  const file = new URL("../../build/simd.wasm", import.meta.url);
  const module = await WebAssembly.compile(await Deno.readFile(file));
  const failing = { requestAdapter: () => Promise.reject(new Error("not asked")) };
  using opened = await openDevice({ module, gpu: failing as unknown as GPU });
  equal(opened.info.kind, "cpu");
  ok(opened.info.name.includes("injected"));
});
