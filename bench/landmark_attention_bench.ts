/**
 * Attention on the CPU. `deno bench -A bench/landmark_attention_bench.ts` compares threads case by
 * case; `deno run -A bench/landmark_attention_bench.ts [WORDS] [THREADS]` prints GFLOP/s and GB/s of
 * the cases whose names have all the words.
 */
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import type { Device } from "../src/device/device.ts";
import { ATTENTION_CASES } from "./landmark_attention_shapes.ts";

/** Prints the median of runs that take some 0.6 s together, after two to warm up. */
function printRates(device: Device, words: readonly string[]): void {
  for (const [name, make] of Object.entries(ATTENTION_CASES)) {
    if (!words.every((word) => name.includes(word))) continue;
    using work = make(device);
    const times: number[] = [];
    for (let i = -2, spent = 0; i < 5 || spent < 600; i++) {
      const start = performance.now();
      work.run();
      const elapsed = performance.now() - start;
      if (i >= 0) times.push(elapsed), spent += elapsed;
    }
    const ms = times.sort((a, b) => a - b)[times.length >> 1];
    const [flops, bytes] = [work.operations, work.bytes].map((x) => (x / ms / 1e6).toFixed(1));
    console.log(
      `${name.padEnd(52)} ${ms.toFixed(3).padStart(9)} ms ${flops.padStart(7)} GFLOP/s ` +
        `${bytes.padStart(6)} GB/s`,
    );
  }
}

if (import.meta.main && !Deno.args.includes("--bench")) {
  const words = Deno.args.filter((arg) => !/^\d+$/.test(arg));
  const threads = Number(Deno.args.find((arg) => /^\d+$/.test(arg)) ?? 1);
  using device = await openCpuDevice({ threads });
  printRates(device, words);
} else {
  const devices = await Promise.all([1, 2].map((threads) => openCpuDevice({ threads })));
  for (const [name, make] of Object.entries(ATTENTION_CASES)) {
    for (const device of devices) {
      const { threads } = device.info;
      const work = make(device);
      Deno.bench({
        name: threads === 1 ? "1 thread" : `${threads} threads`,
        group: name,
        baseline: threads === 1,
        fn: () => work.run(),
      });
    }
  }
}
