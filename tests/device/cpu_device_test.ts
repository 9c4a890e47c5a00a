import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import type { CpuDeviceOptions } from "../../src/device/cpu/cpu_device.ts";
import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { availableBuilds } from "../../src/device/cpu/kernels.ts";
import type { Device } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";
import { type Random, randomFrom } from "../random.ts";

/** Enough work to be shared out, with rows and ends that no vector fits. */
const [T, C] = [67, 515];

/** A chain of operations, most of which sum over what threads share out. */
async function work(device: Device, random: Random): Promise<Float32Array> {
  using x = device.tensor([T, C], { data: random.normal(T * C) });
  using weight = device.tensor([C], { data: random.normal(C) });
  using rows = device.tensor([T], { dtype: "i32", data: random.integers(T, 0, 4) });
  using ones = device.tensor([T], { data: new Float32Array(T).fill(1) });
  using hidden = device.tensor([T, C]);
  using dX = device.tensor([T, C]);
  using dWeight = device.tensor([C]);
  using table = device.tensor([5, C]);
  using norm = device.tensor([1]);
  device.rmsNorm(x, weight, hidden, { epsilon: 1e-5 });
  device.swiGlu(hidden, x, hidden);
  device.crossEntropyBackward(hidden, rows, ones, hidden, { scale: 0.5 });
  device.rmsNormBackward(x, weight, hidden, dX, dWeight, { epsilon: 1e-5 });
  device.gatherBackward(dX, rows, table);
  device.sumSquares(table, norm);
  device.sumSquares(dWeight, norm);
  const results = await Promise.all([table, dWeight, norm].map((tensor) => device.read(tensor)));
  return Float32Array.from(results.flatMap((numbers) => [...numbers]));
}

async function workOn(options: CpuDeviceOptions): Promise<Float32Array> {
  using device = await openCpuDevice(options);
  equal(device.bytes, 0);
  const results = await work(device, randomFrom(1));
  equal(device.bytes, 0, "bytes were not freed");
  return results;
}

for (const build of availableBuilds()) {
  Deno.test(`openCpuDevice() gives the same bits on any number of threads, ${build}`, async () => {
    const alone = await workOn({ build, threads: 1 });
    for (const threads of [2, 3, 7]) {
      assertClose(await workOn({ build, threads }), alone, EXACT, `${threads} threads`);
    }
  });
}

Deno.test("openCpuDevice() gives nearly the same numbers from both builds", async () => {
  const [simd, best] = [await workOn({ build: "simd" }), await workOn({})];
  assertClose(best, simd, { atol: 1e-5, rtol: 1e-5 });
});

Deno.test("openCpuDevice() takes a module from elsewhere, as edge runtimes need", async () => {
  const file = new URL("../../build/simd.wasm", import.meta.url);
  const module = await WebAssembly.compile(await Deno.readFile(file));
  assertClose(await workOn({ module }), await workOn({ build: "simd", threads: 1 }), EXACT);
  await rejects(openCpuDevice({ module, threads: 2 }), {
    name: "DeviceError",
    message: "Cannot run kernels on 2 threads as an injected module has one",
  });
});

Deno.test("openCpuDevice() says what it took", async () => {
  using device = await openCpuDevice({ build: "simd", threads: 2 });
  deepEqual(device.info, {
    kind: "cpu",
    name: "WebAssembly (simd)",
    threads: 2,
    remote: false,
    tensorBytes: 2 ** 32,
    details: { builds: availableBuilds().join(", "), shared: true },
  });
});

Deno.test("openCpuDevice() refuses a wrong number of threads", async () => {
  for (const threads of [0, 1.5, 1000]) {
    await rejects(openCpuDevice({ threads }), {
      name: "RangeError",
      message: `Cannot open a CPU device as threads must be an integer in [1, 256]: ` +
        `current value is ${threads}`,
    });
  }
});

Deno.test("a CPU device refuses tensors of another device, and freed ones", async () => {
  using one = await openCpuDevice({ threads: 1 });
  using other = await openCpuDevice({ threads: 1 });
  using foreign = other.tensor([3]);
  using x = one.tensor([3]);
  const view = one.view(x, 1, 2);
  throws(() => one.add(x, foreign, x), {
    name: "TypeError",
    message: "Cannot use tensor f32 [3] as it belongs to another device",
  });
  view[Symbol.dispose]();
  deepEqual(await one.read(x), new Float32Array(3), "a view frees nothing");
  x[Symbol.dispose]();
  const freed = { name: "TypeError", message: /^Cannot use tensor f32 \[[23]\] as it was freed$/ };
  throws(() => one.fill(x, 1), freed);
  await rejects(one.read(view), freed);
});

Deno.test("a CPU device refuses work once it is disposed", async () => {
  const device = await openCpuDevice({ threads: 2 });
  const x = device.tensor([3]);
  device[Symbol.dispose]();
  throws(() => device.fill(x, 1), {
    name: "TypeError",
    message: "Cannot use a device that was disposed",
  });
  x[Symbol.dispose]();
});

Deno.test("tensor() holds nothing if its data do not fit", async () => {
  using device = await openCpuDevice({ threads: 1 });
  throws(() => device.tensor([2], { data: [1, 2, 3] }), RangeError);
  throws(() => device.tensor([2, -1]), RangeError);
  throws(() => device.tensor([2 ** 31]), {
    name: "RangeError",
    message: /Cannot allocate 8589934592 bytes/,
  });
  equal(device.bytes, 0);
});

Deno.test("write() and read() keep f16 as patterns", async () => {
  using device = await openCpuDevice({ threads: 1 });
  using half = device.tensor([4], { dtype: "f16", data: [1, -2, 0.1, 1e6] });
  deepEqual(await device.read(half), Uint16Array.of(0x3c00, 0xc000, 0x2e66, 0x7c00));
  device.write(half, Uint16Array.of(7, 8), 1);
  deepEqual(await device.read(half), Uint16Array.of(0x3c00, 7, 8, 0x7c00));
  device.fill(half, -2);
  deepEqual(await device.read(half), new Uint16Array(4).fill(0xc000));
  using single = device.tensor([4]);
  throws(() => device.write(single, new Uint16Array(1)), {
    name: "TypeError",
    message: "Cannot write 16-bit patterns as the tensor must be f16: current value is f32",
  });
});

Deno.test("gather() refuses rows that are not there", async () => {
  using device = await openCpuDevice({ threads: 1 });
  using x = device.tensor([5, 3]);
  using rows = device.tensor([3], { dtype: "i32", data: [4, 5, -1] });
  using out = device.tensor([3, 3]);
  throws(() => device.gather(x, rows, out), {
    name: "RangeError",
    message: "Cannot run gather as rows must be in [0, 5): current value is 5, at 1",
  });
});

for (const size of [1, 2, 3, 31, 32, 33, 40_001]) {
  for (const dtype of ["f32", "i32", "f16"] as const) {
    Deno.test(`fill() and copy() write ${size} ${dtype} and nothing beside`, async () => {
      using device = await openCpuDevice({ threads: 2 });
      using whole = device.tensor([size + 2], { dtype });
      using source = device.tensor([size], { dtype });
      device.fill(whole, 5);
      const edge = (await device.read(whole))[0];
      for (const value of [0, 3]) {
        device.fill(source, value);
        const expected = await device.read(source);
        device.fill(device.view(whole, 1, size), value);
        const filled = await device.read(whole);
        deepEqual(filled.subarray(1, -1), expected);
        device.fill(whole, 5);
        device.copy(source, device.view(whole, 1, size));
        deepEqual(await device.read(whole), filled);
        deepEqual([filled[0], filled[size + 1]], [edge, edge]);
      }
    });
  }
}
