/** Attention by case and number of threads: `deno bench -A bench/landmark_attention_bench.ts`. */
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import { ATTENTION_CASES, type AttentionCase } from "./landmark_attention_shapes.ts";

const devices = await Promise.all([1, 2].map((threads) => openCpuDevice({ threads })));

for (const [name, make] of Object.entries(ATTENTION_CASES)) {
  for (const device of devices) {
    const { threads } = device.info;
    let work: AttentionCase | undefined;
    Deno.bench({
      name: threads === 1 ? "1 thread" : `${threads} threads`,
      group: name,
      baseline: threads === 1,
      fn(bench) {
        // Made when its turn comes: together they would not fit.
        work ??= make(device);
        bench.start();
        work.run();
        bench.end();
      },
    });
  }
}
