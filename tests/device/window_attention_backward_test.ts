import type { Tensor } from "../../src/device/device.ts";
import { reference } from "../devices.ts";
import { assertGradients } from "../finite_differences.ts";

/** By finite differences: T, S, the window, absent keys, and P of relative positions. */
const SLOPES = [
  { T: 5, S: 5 },
  { T: 4, S: 9, window: 5, absent: 3, scale: 1.2 },
  { T: 6, S: 8, P: 8 },
  { T: 6, S: 8, P: 3, window: 5 },
  { T: 5, S: 7, P: 1, absent: 4 },
] as const;

for (const [n, { T, S, ...given }] of SLOPES.entries()) {
  const { P, ...options } = { P: undefined, ...given };
  const title = JSON.stringify({ T, S, P, ...options });
  Deno.test(`windowAttentionBackward() adds the slopes of windowAttention() ${title}`, async () => {
    const [B, H, G, D] = [2, 4, 2, 3];
    using sums = reference.tensor([B, T, H]);
    const relative = P === undefined ? [] : [[P, H, D], [H, D], [H, D]];
    const optionsOf = ([distances, contentBias, positionBias]: readonly Tensor[]) => ({
      ...options,
      ...(P !== undefined && { relative: { distances, contentBias, positionBias } }),
    });
    await assertGradients(reference, {
      inputs: [[B, T, H, D], [B, S, G, D], [B, S, G, D], ...relative],
      out: [B, T, H, D],
      forward: (device, [q, k, v, ...rest], out) =>
        device.windowAttention(q, k, v, out, sums, optionsOf(rest)),
      backward: (device, [q, k, v, ...rest], dOut, [dQ, dK, dV, ...dRest]) => {
        using out = device.tensor(q.shape);
        const [distances, contentBias, positionBias] = dRest;
        const gradients = {
          ...{ q: dQ, k: dK, v: dV },
          ...(P !== undefined && { distances, contentBias, positionBias }),
        };
        device.windowAttention(q, k, v, out, sums, optionsOf(rest));
        device.windowAttentionBackward(q, k, v, out, sums, dOut, gradients, optionsOf(rest));
      },
    }, n + 1);
  });
}
