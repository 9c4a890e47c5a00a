import type { Tensor } from "../device.ts";
import { checkSample, isForbidden, type SampleOptions, takeToken } from "../sampling.ts";
import type { Host } from "./host.ts";

/** Takes a token of each row of logits [T, V]: ids [T]. As on the host, in whose memory they lie. */
export function sample(
  host: Host,
  logits: Tensor,
  forbidden: Tensor,
  ids: Tensor,
  options: SampleOptions,
): void {
  const { T, V } = checkSample({ logits, forbidden, ids }, options);
  const words = host.i32(host.address(forbidden), forbidden.shape[0]);
  const out = host.i32(host.address(ids), T);
  for (let t = 0; t < T; t++) {
    const row = host.f32(host.address(logits) + t * V * 4, V);
    const allowed = row.map((x, id) => isForbidden(words, id) ? -Infinity : x);
    const isSound = row.every((x) => x < Infinity);
    out[t] = isSound ? takeToken(allowed, options, () => options.uniforms[t]) : -1;
  }
}
