import type { Tensor, WindowGradients } from "../device/device.ts";
import { attendWithMemory, type Ops } from "../device/ops.ts";

/** What the mechanisms' operations need of the tape they are on. */
interface Recorder extends Pick<Ops, "device" | "input"> {
  /** The gradient of a tensor, zero until something was added to it. */
  gradient(tensor: Tensor): Tensor;
  /** Records how the gradient of `out` flows on. */
  record(out: Tensor, back: (dOut: Tensor) => void): Tensor;
}

type AttentionOps = Pick<Ops, "landmarkAttention" | "windowAttention" | "infiniAttention">;

/** The operations of the mechanisms, with their way back. */
export function attentionTape({ device, input, gradient, record }: Recorder): AttentionOps {
  return {
    landmarkAttention(q, k, v, blocks, foreign) {
      const out = input(q.shape, { zero: false });
      const top = input(q.shape.slice(0, 3), { zero: false });
      device.landmarkAttention(q, k, v, blocks, out, top, { foreign });
      return record(out, (dOut) => {
        const pool = foreign &&
          { keys: gradient(foreign.keys), values: gradient(foreign.values) };
        const gradients = { q: gradient(q), k: gradient(k), v: gradient(v), foreign: pool };
        device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients, { foreign });
      });
    },
    windowAttention(q, k, v, options = {}) {
      const out = input(q.shape, { zero: false });
      const sums = input(q.shape.slice(0, 3), { zero: false });
      device.windowAttention(q, k, v, out, sums, options);
      return record(out, (dOut) => {
        const { relative } = options;
        const gradients: WindowGradients = {
          ...{ q: gradient(q), k: gradient(k), v: gradient(v) },
          ...relative && {
            distances: gradient(relative.distances),
            contentBias: gradient(relative.contentBias),
            positionBias: gradient(relative.positionBias),
          },
        };
        device.windowAttentionBackward(q, k, v, out, sums, dOut, gradients, options);
      });
    },
    infiniAttention(inputs) {
      const { q, k, v, local, gate, segments, initial, before, options } = inputs;
      const { out, memories, after } = attendWithMemory({ device, input }, inputs);
      record(out, (dOut) =>
        device.infiniAttentionBackward(
          ...[q, k, v, local, gate, segments, initial, before, memories, dOut] as const,
          gradient(after),
          {
            ...{ q: gradient(q), k: gradient(k), v: gradient(v), local: gradient(local) },
            ...{ gate: gradient(gate), initial: gradient(initial), before: gradient(before) },
          },
          options,
        ));
      return { out, after };
    },
  };
}
