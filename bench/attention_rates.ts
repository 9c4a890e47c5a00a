/**
 * What attention makes of the CPU, in GFLOP/s and GB/s; of the cases whose names have all the words:
 *
 *   deno run -A bench/attention_rates.ts [WORDS] [THREADS]
 */
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import { ATTENTION_CASES, type AttentionCase } from "./landmark_attention_shapes.ts";

/** The median in ms of runs that take some 0.6 s together, after two to warm up. */
function medianMs(work: AttentionCase): number {
  const times: number[] = [];
  for (let i = -2, spent = 0; i < 5 || spent < 600; i++) {
    const start = performance.now();
    work.run();
    const elapsed = performance.now() - start;
    if (i >= 0) {
      times.push(elapsed);
      spent += elapsed;
    }
  }
  return times.sort((a, b) => a - b)[times.length >> 1];
}

const words = Deno.args.filter((arg) => !/^\d+$/.test(arg));
using device = await openCpuDevice({
  threads: Number(Deno.args.find((arg) => /^\d+$/.test(arg)) ?? 1),
});
for (const [name, make] of Object.entries(ATTENTION_CASES)) {
  if (!words.every((word) => name.includes(word))) continue;
  using work = make(device);
  const ms = medianMs(work);
  const [flops, bytes] = [work.operations, work.bytes].map((x) => (x / ms / 1e6).toFixed(1));
  console.log(
    `${name.padEnd(48)} ${ms.toFixed(3).padStart(9)} ms ${flops.padStart(6)} GFLOP/s ` +
      `${bytes.padStart(6)} GB/s`,
  );
}
