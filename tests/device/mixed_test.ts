/** Mixed precision, with tensor cores emulated: f32 in and out, halves between. */
import { equal, ok, rejects } from "node:assert/strict";
import type { Device } from "../../src/device/device.ts";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { gpuDeviceOn, openGpuDevice } from "../../src/device/gpu/gpu_device.ts";
import { createGpuHost } from "../../src/device/gpu/gpu_host.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { assertClose, EXACT } from "../close.ts";
import { emulateTensorCores } from "../emulated_tensor_cores.ts";
import { kindOf, readGolden } from "../golden/golden.ts";
import { landmarksAt, regular } from "../plans.ts";
import { type Results, type Stage, stage } from "../stage.ts";

const adapter = await requestAdapter({});
const ignore = adapter === undefined || !adapter.features.has("shader-f16");
const devices: { mixed: Device; f32: Device } | undefined = ignore ? undefined : await open();
const reference = referenceDevice();
globalThis.addEventListener("unload", () => {
  devices?.mixed[Symbol.dispose]();
  devices?.f32[Symbol.dispose]();
});

async function open(): Promise<{ mixed: Device; f32: Device }> {
  const opened = await openAdapter(adapter!);
  const host = emulateTensorCores(createGpuHost(opened, false));
  return { mixed: gpuDeviceOn(host, opened, "mixed"), f32: await openGpuDevice() };
}

/** Fails where numbers are off by more than a part of the largest one. */
function assertNear(actual: Results, expected: Results, part: number): void {
  for (const [name, numbers] of expected) {
    const size = Math.max(...Array.from(numbers, Math.abs));
    assertClose(actual.get(name)!, numbers, { atol: part * size, rtol: 0 }, name);
  }
}

// Gradients of a mean over many tokens are so small that halves would not hold them.
for (const size of [1, 1e-8]) {
  for (const [name, options] of Object.entries({ "X·Wᵀ": {}, "dYᵀ·X": { accumulate: true } })) {
    Deno.test({
      name: `matmul() ${name} of numbers about ${size} in mixed precision`,
      ignore,
      async fn() {
        const [m, n, k] = [136, 200, 160];
        const accumulate = "accumulate" in options;
        const [transposeA, transposeB] = [accumulate, !accumulate];
        const scene = ({ device, random, input, output }: Stage) => {
          const a = input(transposeA ? [k, m] : [m, k], random.normal(m * k, size));
          const b = input(transposeB ? [n, k] : [k, n]);
          const out = output("out", [m, n]);
          device.fill(out, 3 * size);
          device.matmul(a, b, out, { transposeA, transposeB, accumulate });
        };
        const expected = await stage(reference, scene);
        assertNear(await stage(devices!.mixed, scene), expected, 1e-3);
      },
    });
  }
}

Deno.test({
  name: "matmul() in mixed precision is f32 where rows are no whole eights, or few",
  ignore,
  async fn() {
    for (const [m, n, k] of [[130, 260, 140], [8, 1024, 1024], [128, 64, 64]]) {
      const scene = ({ device, input, output }: Stage) =>
        device.matmul(input([m, k]), input([n, k]), output("out", [m, n]), { transposeB: true });
      const expected = await stage(devices!.f32, scene);
      assertClose((await stage(devices!.mixed, scene)).get("out")!, expected.get("out")!, EXACT);
    }
  },
});

for (
  const { name, plan, exact } of [
    { name: "regular blocks", plan: regular(128, 16), exact: false },
    {
      name: "irregular blocks, which are f32's,",
      plan: landmarksAt(128, [3, 40, 99]),
      exact: true,
    },
  ]
) {
  Deno.test({
    name: `landmarkAttention() of ${name} in mixed precision, and small gradients of it`,
    ignore,
    async fn() {
      const [B, T, H, G, D] = [1, 128, 2, 1, 32];
      const scene = ({ device, random, input, output, use }: Stage) => {
        const [q, k, v] = [input([B, T, H, D]), input([B, T, G, D]), input([B, T, G, D])];
        const dOut = input([B, T, H, D], random.normal(B * T * H * D, 1e-8));
        const blocks = use(device.blocks(plan, B, T));
        const [out, top] = [output("out", [B, T, H, D]), output("top", [B, T, H])];
        const gradients = {
          q: output("dQ", [B, T, H, D]),
          k: output("dK", [B, T, G, D]),
          v: output("dV", [B, T, G, D]),
        };
        for (const gradient of Object.values(gradients)) device.fill(gradient, 0);
        device.landmarkAttention(q, k, v, blocks, out, top);
        device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients);
      };
      const mixed = await stage(devices!.mixed, scene);
      assertNear(mixed, await stage(reference, scene), 5e-3);
      if (!exact) return;
      for (const [name, numbers] of await stage(devices!.f32, scene)) {
        assertClose(mixed.get(name)!, numbers, EXACT);
      }
    },
  });
}

for (const name of ["regular_b16_t64_d32", "sharp_b64_t256_d64"]) {
  const slow = name.startsWith("sharp"); // to compile
  Deno.test({
    name: `landmarkAttention() in mixed precision, and its gradients, in the golden case ${name}`,
    ignore: ignore || slow && Deno.env.get("CAIRN_TEST_SLOW") !== "1",
    async fn() {
      const golden = await readGolden(`tests/golden/${name}.safetensors`);
      const results = await kindOf(golden).run(devices!.mixed, golden);
      const expected = new Map([...results.keys()].map((name) => [
        name,
        Float64Array.from(golden.tensors.get(name)!.data),
      ]));
      ok(expected.size === 4);
      assertNear(results, expected, 5e-3);
    },
  });
}

Deno.test({
  name: "openGpuDevice() refuses mixed precision without tensor cores, and frees what it holds",
  ignore,
  async fn() {
    const wrong = { name: "DeviceError", message: /mixed.*tensor cores/ };
    await rejects(openGpuDevice({ precision: "mixed" }), wrong);
    equal(devices!.mixed.info.details.precision, "mixed");
    equal(devices!.f32.info.details.precision, "f32");
  },
});
