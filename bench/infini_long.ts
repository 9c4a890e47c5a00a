/**
 * How exact a memory stays that tokens are appended to for long, k and v rounded to f16:
 *
 *   deno run -A bench/infini_long.ts [TOKENS]
 */
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import { appendLong } from "../tests/device/infini_long.ts";
import { randomFrom } from "../tests/random.ts";

const tokens = Number(Deno.args[0] ?? 10_000_000);
using device = await openCpuDevice({ threads: 1 });
for (const segment of [2048, 16]) {
  const start = performance.now();
  const { worst, last } = await appendLong(device, {
    tokens,
    segment,
    D: 64,
    random: randomFrom(1),
  });
  const seconds = ((performance.now() - start) / 1000).toFixed(0);
  console.log(
    `${tokens} tokens, ${segment} at a time: a sum is ${worst.toExponential(1)} off at most, the ` +
      `last token counted ${last.toFixed(6)} times; ${seconds} s`,
  );
}
