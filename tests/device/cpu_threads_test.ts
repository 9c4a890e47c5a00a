import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { compileKernels } from "../../src/device/cpu/kernels.ts";
import { createHost, type WasmHost } from "../../src/device/cpu/wasm_host.ts";
import { startWorkers } from "../../src/device/cpu/workers.ts";

async function hostOf(threads: number): Promise<WasmHost> {
  const shared = threads > 1;
  return await createHost(await compileKernels("simd", shared), { threads, shared });
}

/** Counts workers that run, while `body` does. */
async function countWorkers(body: (running: () => number) => Promise<void>): Promise<void> {
  const { Worker } = globalThis;
  let running = 0;
  globalThis.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      super(url, options);
      running++;
    }
    override terminate(): void {
      running--;
      super.terminate();
    }
  };
  try {
    await body(() => running);
  } finally {
    globalThis.Worker = Worker;
  }
}

Deno.test("createHost() starts a worker for every thread but this one, and ends them", async () => {
  await countWorkers(async (running) => {
    const host = await hostOf(4);
    equal(running(), 3);
    host[Symbol.dispose]();
    host[Symbol.dispose]();
    equal(running(), 0);
    using _alone = await hostOf(1);
    equal(running(), 0);
  });
});

Deno.test("run() gives every part of the work to one thread", async () => {
  for (const threads of [1, 2, 3, 5]) {
    using host = await hostOf(threads);
    const [count, x] = [1000, host.alloc(4000)];
    for (let turn = 0; turn < 200; turn++) {
      host.f32(x, count).fill(turn);
      host.run(8, "add", x, x, x, count);
      deepEqual(host.f32(x, count).slice(), new Float32Array(count).fill(2 * turn));
    }
  }
});

Deno.test("run() wakes threads that have fallen asleep", async () => {
  using host = await hostOf(2);
  const x = host.alloc(4096);
  host.f32(x, 1024).fill(1);
  for (let turn = 0; turn < 5; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    host.run(8, "add", x, x, x, 1024);
  }
  deepEqual(host.f32(x, 1024).slice(), new Float32Array(1024).fill(32));
});

Deno.test("run() goes on where memory has grown since the threads started", async () => {
  using host = await hostOf(2);
  const bytes = 1 << 25;
  const x = host.alloc(bytes);
  host.run(8, "fill", x, bytes, 0x01010101);
  equal(host.u8(x, bytes).findIndex((byte) => byte !== 1), -1);
});

Deno.test("run() throws when a kernel traps in any part, and can be used on", async () => {
  using host = await hostOf(2);
  // Its second half lies outside of the memory: only the other thread traps.
  const last = 2 ** 20 - 65536;
  throws(() => host.run(8, "fill", last, 131072, 1), {
    name: "DeviceError",
    message: /Cannot finish a kernel as it failed in part 1: RuntimeError: memory access out of/,
  });
  // Here both do.
  throws(() => host.run(8, "fill", 2 ** 31, 131072, 1), /failed in part 1|out of bounds/);
  const x = host.alloc(4096);
  host.run(8, "fill", x, 4096, 0x3f800000);
  deepEqual(host.f32(x, 1024).slice(), new Float32Array(1024).fill(1));
});

Deno.test("run() names a kernel that is missing", async () => {
  using host = await hostOf(1);
  throws(() => host.run(8, "subtract"), {
    name: "TypeError",
    message: `Cannot run kernel "subtract" as the module has none so named`,
  });
});

Deno.test("startWorkers() throws when a worker cannot start, and ends them all", async () => {
  await countWorkers(async (running) => {
    // This build does not take shared memory.
    const module = await compileKernels("simd", false);
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 2, shared: true });
    await rejects(startWorkers(module, memory, 3), {
      name: "DeviceError",
      message: /Cannot start thread [12]: .*LinkError/,
    });
    equal(running(), 0);
  });
});

Deno.test("scratch() grows, and counts as nobody's bytes", async () => {
  using host = await hostOf(1);
  const small = host.scratch(100);
  equal(host.scratch(50), small);
  host.scratch(1 << 21);
  equal(host.bytes, 0);
});
