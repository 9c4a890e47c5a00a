import type { Tensor } from "../device/device.ts";
import type { Attend, Step } from "./mechanism.ts";

/**
 * Several streams in one pass: the model runs over the tokens of all steps at once, one step's
 * after the other's, and each attends to its own state. Which row a stream is in never matters.
 */
export function attendRows(steps: readonly Step[]): Attend {
  return async (ops, layer, input) => {
    const { device } = ops;
    const [q, k, v] = [input.q(), input.k(), input.v()];
    const out = ops.input(q.shape);
    let at = 0;
    for (const step of steps) {
      const own = (x: Tensor): Tensor => device.view(x, at, step.count);
      const result = await step.attend(ops, layer, {
        x: own(input.x),
        q: () => own(q),
        k: (x) => x ? input.k(x) : own(k),
        v: (x) => x ? input.v(x) : own(v),
        own: input.own,
      });
      device.copy(result, own(out));
      at += step.count;
    }
    return out;
  };
}
