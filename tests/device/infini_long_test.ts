import { ok } from "node:assert/strict";
import { testOnEach } from "../devices.ts";
import { randomFrom } from "../random.ts";
import { appendLong } from "./infini_long.ts";

for (const [tokens, segment] of [[1_000_000, 2048], [100_000, 16]]) {
  testOnEach(
    `infiniWrite() of ${tokens} tokens, ${segment} at a time, counts each`,
    async (device) => {
      const { worst, last } = await appendLong(device, {
        ...{ tokens, segment, D: 24 },
        random: randomFrom(1),
      });
      ok(worst < 1e-3, `a sum is ${worst} off, seed 1`);
      ok(Math.abs(last - 1) < 1e-3, `the last token counted ${last} times, seed 1`);
    },
  );
}
