import { testLikeReference } from "../devices.ts";
import { boundOf, INFINI_CASES, infiniInputs } from "./infini_cases.ts";

for (const testCase of INFINI_CASES) {
  const { B, T, H, G, D, name, segments, options } = testCase;
  testLikeReference(`infiniAttention() ${name}`, (stage) => {
    const out = stage.output("out", [B, T, H, D]);
    const memories = stage.output("memories", [B, segments[0].length, G, D, D + 1]);
    const { q, k, v, local, gate, segments: list, initial, before } = infiniInputs(testCase, stage);
    const given = [q, k, v, local, gate, list, initial, before] as const;
    stage.device.infiniAttention(...given, out, memories, options);
  }, boundOf(testCase));
}
