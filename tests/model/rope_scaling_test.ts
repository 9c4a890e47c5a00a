import { ropeFrequencies } from "../../src/model/rope_scaling.ts";
import { assertClose } from "../close.ts";

Deno.test("ropeFrequencies() stretches as the configuration says", () => {
  const plain = ropeFrequencies({ headDim: 8, ropeTheta: 10_000 });
  assertClose(plain, [1, 0.1, 0.01, 0.001], { atol: 0, rtol: 1e-15 });
  const linear = ropeFrequencies({
    headDim: 8,
    ropeTheta: 10_000,
    ropeScaling: { kind: "linear", factor: 4 },
  });
  assertClose(linear, [0.25, 0.025, 0.0025, 0.00025], { atol: 0, rtol: 1e-15 });
  const llama3 = ropeFrequencies({
    headDim: 8,
    ropeTheta: 10_000,
    ropeScaling: { kind: "llama3", factor: 8, lowFactor: 1, highFactor: 4, originalContext: 1000 },
  });
  // In 1000 tokens the pairs turn 159, 15.9, 1.59 and 0.159 times: kept, kept, 0.197 kept, none.
  const kept = (1000 * 0.01 / (2 * Math.PI) - 1) / 3;
  const third = 0.01 * (kept + (1 - kept) / 8);
  assertClose(llama3, [1, 0.1, third, 0.001 / 8], { atol: 0, rtol: 1e-14 });
});
