import { equal, ok, rejects } from "node:assert/strict";
import { isSoftware, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { type DeviceName, openDevice } from "../../src/device/open.ts";

/** A WebGPU without adapters. */
const NO_GPU = { requestAdapter: () => Promise.resolve(null) } as unknown as GPU;

const adapter = await requestAdapter({});
const hasHardware = adapter !== undefined && !isSoftware(adapter);

/** A WebGPU whose adapter is the engine's, with another description or fewer limits. */
function changed(
  info: Partial<Record<keyof GPUAdapterInfo | "isFallbackAdapter", unknown>>,
  limits: Partial<Record<keyof GPUSupportedLimits, number>> = {},
): GPU {
  const own = adapter!;
  const like = {
    info: { description: "", vendor: "", architecture: "", device: "", ...info },
    features: own.features,
    limits: new Proxy(own.limits, {
      get: (target, name) =>
        limits[name as keyof GPUSupportedLimits] ?? target[name as keyof GPUSupportedLimits],
    }),
    requestDevice: (options: GPUDeviceDescriptor) => own.requestDevice(options),
  };
  return { requestAdapter: () => Promise.resolve(like) } as unknown as GPU;
}

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
      using opened = await openDevice({ gpu: changed(info) });
      equal(opened.info.kind, kind, JSON.stringify(info));
      using named = await openDevice({ device: "gpu", gpu: changed(info) });
      equal(named.info.kind, "gpu");
    }
  },
});

Deno.test({
  name: "openDevice() does without a GPU that is too small, and says so when it was named",
  ignore: adapter === undefined,
  fn: async () => {
    const gpu = changed({ description: "a GPU" }, { maxStorageBuffersPerShaderStage: 4 });
    using opened = await openDevice({ gpu });
    equal(opened.info.kind, "cpu");
    await rejects(openDevice({ device: "gpu", gpu }), {
      name: "DeviceError",
      message:
        /^Cannot open the GPU as its maxStorageBuffersPerShaderStage must be at least \d+: current value is 4$/,
    });
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
