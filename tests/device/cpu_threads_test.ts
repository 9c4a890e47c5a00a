import { deepEqual, equal, rejects, throws } from "node:assert/strict";
import { compileKernels } from "../../src/device/cpu/kernels.ts";
import { createHost, type WasmHost } from "../../src/device/cpu/wasm_host.ts";
import type { Start } from "../../src/device/cpu/worker.ts";
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

Deno.test("run() gives every part of the work to one thread, once", async () => {
  for (const threads of [1, 2, 3, 5]) {
    using host = await hostOf(threads);
    const [count, x] = [1000, host.alloc(4000)];
    for (let turn = 0; turn < 200; turn++) {
      host.f32(x, count).fill(turn);
      // From one part to more than there are lines of a cache.
      host.run(1 + turn % 70, "add", x, x, x, count);
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
  for (const threads of [2, 3]) {
    using host = await hostOf(threads);
    const x = host.alloc(131072);
    for (let turn = 0; turn < 30; turn++) {
      // Its second half lies outside of the memory.
      throws(() => host.run(8, "fill", host.u8(0, 0).buffer.byteLength - 65536, 131072, 0), {
        name: "DeviceError",
        message:
          /^Cannot finish a kernel as it failed in part [0-7]: RuntimeError: memory access out/,
      });
      throws(() => host.run(8, "fill", 2 ** 31, 131072, 1), { name: "DeviceError" });
      host.run(8, "fill", x, 131072, turn);
      deepEqual(host.i32(x, 32768).slice(), new Int32Array(32768).fill(turn));
    }
  }
});

/** A worker that says it is ready, and then does what `body` does, in a thread of its own. */
async function withWorker(body: (event: { data: Start }) => void, test: () => Promise<void>) {
  const { Worker } = globalThis;
  const program = `onmessage = (event) => { postMessage(""); (${body})(event); }`;
  const url = URL.createObjectURL(new Blob([program], { type: "application/javascript" }));
  globalThis.Worker = class extends Worker {
    constructor(_url: string | URL, options?: WorkerOptions) {
      super(url, options);
    }
  };
  try {
    await test();
  } finally {
    globalThis.Worker = Worker;
    URL.revokeObjectURL(url);
  }
}

Deno.test("run() does not wait for a thread that has taken no part", async () => {
  await withWorker(() => {}, async () => {
    using host = await hostOf(3);
    const x = host.alloc(4000);
    host.run(24, "fill", x, 4000, 7);
    deepEqual(host.i32(x, 1000).slice(), new Int32Array(1000).fill(7));
  });
});

/** Takes parts as a thread does whose core is taken by others: each for a long time. */
function dawdle({ data: { module, memory, control, layout } }: { data: Start }): void {
  const state = new Int32Array(control), args = new Float64Array(control, layout.args);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const fill = exports.fill as (...args: number[]) => void;
  for (let taken = 0;; taken++) {
    let left = 0;
    while (left <= 0 || Atomics.compareExchange(state, layout.left, left, left - 1) !== left) {
      left = Atomics.load(state, layout.left);
      if (left < 0) return;
    }
    Atomics.wait(state, layout.args - 1, 0, 100);
    const [out, bytes] = args;
    // What it is told to fill in, and how many parts it has taken before.
    fill(state[layout.parts] - left, state[layout.parts], out, bytes, taken + 1);
    Atomics.add(state, layout.done, 1);
    Atomics.notify(state, layout.done);
  }
}

Deno.test("run() waits for a part that was begun, and goes on alone where that took long", async () => {
  await withWorker(dawdle, async () => {
    using host = await hostOf(2);
    const [lines, x] = [1 << 16, host.alloc(1 << 22)];
    const numbers = host.i32(x, 16 * lines);
    // Large enough that the worker gets one of many parts; that takes a few turns of the scheduler.
    for (let turn = 0; numbers.every((n) => n <= 0) && turn < 1000; turn++) {
      host.run(256, "fill", x, 64 * lines, -1);
    }
    equal(numbers.findIndex((n) => n !== -1 && n !== 1), -1, "a part is missing");
    equal(
      numbers.filter((n) => n === 1).length,
      16 * lines / 256,
      "one part of 256 was the worker's",
    );
    for (let turn = 0; turn < 100; turn++) host.run(256, "fill", x, 64 * lines, -1);
    equal(numbers.findIndex((n) => n !== -1), -1, "the worker was given a part again");
  });
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
