import source from "../../../wgsl/sample.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkSample, type SampleOptions } from "../sampling.ts";
import { float } from "./host.ts";
import type { WholeHost } from "./gpu_host.ts";
import { view } from "./transfer.ts";

const kernel = { name: "sample", source };

/** Larger numbers are not sure to be f32. */
const MOST = 3e38;

/** Takes a token of each row of logits [T, V]: ids [T]; wgsl/sample.wgsl. */
export function sample(
  host: WholeHost,
  logits: Tensor,
  forbidden: Tensor,
  ids: Tensor,
  options: SampleOptions,
): void {
  const { T, V } = checkSample({ logits, forbidden, ids }, options);
  const { temperature = 0, topK = Infinity, topP = 1, uniforms } = options;
  const isGreedy = temperature === 0;
  const isCut = topK < V || topP < 1;
  for (let t = 0; t < T; t++) {
    host.run(kernel, {
      tensors: [view(host, logits, t, 1), forbidden, view(host, ids, t, 1)],
      params: [
        V,
        Math.ceil(Math.log2(Math.max(2, V))),
        Number(isGreedy),
        Number(isCut),
        Math.min(topK, V),
        topP < 1 ? Math.max(1, fraction(topP)) : 0,
        isGreedy ? 0 : Math.floor(uniforms[t] * 2 ** 32),
        float(isGreedy ? 0 : Math.min(MOST, 2 / temperature)),
        float(Math.max(-MOST, -15.5 * temperature)),
      ],
      groups: [1],
    });
  }
}

/** A number below 1 in units of 2⁻³². */
function fraction(x: number): number {
  return Math.min(2 ** 32 - 1, Math.round(x * 2 ** 32));
}
