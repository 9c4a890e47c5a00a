import type { Device, Tensor } from "../device/device.ts";
import { eagerOps, type Ops, rowsOf } from "../device/ops.ts";
import { attentionTape } from "./attention_tape.ts";

/** Operations that remember how to go back: reverse-mode differentiation over a device. */
export interface Tape extends Ops {
  /** The loss of every row, weights · cross entropy [T]; `scale` multiplies its gradient. */
  crossEntropy(logits: Tensor, targets: Tensor, weights: Tensor, scale: number): Tensor;
  /** The gradient of a tensor, zero until something was added to it. */
  gradient(tensor: Tensor): Tensor;
  /** Goes back over everything that was computed, once, adding to the gradients. */
  backward(): void;
}

interface Step {
  readonly out: Tensor;
  readonly back: () => void;
}

/**
 * A tape for one pass forward and back.
 *
 * @param device Where it computes.
 * @param parameters The gradients that outlive the tape, by parameter: they are added to.
 */
export function tape(device: Device, parameters: ReadonlyMap<Tensor, Tensor>): Tape {
  const ops = eagerOps(device);
  const steps: Step[] = [];
  const gradients = new Map<Tensor, Tensor>();
  // A reshaped tensor shares its gradient with what it was made from.
  const origins = new Map<Tensor, Tensor>();

  const gradient = (tensor: Tensor): Tensor => {
    const kept = parameters.get(tensor) ?? gradients.get(tensor);
    if (kept !== undefined) return kept;
    const origin = origins.get(tensor);
    if (origin !== undefined) return device.reshape(gradient(origin), tensor.shape);
    const made = device.tensor(tensor.shape);
    gradients.set(tensor, made);
    return made;
  };
  /** Records how the gradient of `out` flows on. */
  const record = (out: Tensor, back: (dOut: Tensor) => void): Tensor => {
    steps.push({ out, back: () => back(gradient(out)) });
    return out;
  };
  /** The gradient of `out` becomes that of a tensor which has none yet; says whether it could. */
  const handOn = (out: Tensor, tensor: Tensor): boolean => {
    const whole = gradients.get(out);
    const has = parameters.has(tensor) || gradients.has(tensor) || origins.has(tensor);
    if (whole === undefined || has) return false;
    gradients.delete(out);
    gradients.set(tensor, whole);
    return true;
  };
  const release = (tensor: Tensor): void => {
    gradients.get(tensor)?.[Symbol.dispose]();
    gradients.delete(tensor);
  };

  const self: Tape = {
    device,
    gradient,
    input: ops.input,
    scope: async (body) => await body(self),
    reshape(x, shape) {
      const out = ops.reshape(x, shape);
      origins.set(out, x);
      return out;
    },
    linear(x, weight) {
      const width = weight.shape[1];
      const flat = (tensor: Tensor) => rowsOf(device, tensor, width);
      return record(ops.linear(x, weight), (dOut) => {
        device.matmul(dOut, weight, flat(gradient(x)), { accumulate: true });
        device.matmul(dOut, flat(x), gradient(weight), { transposeA: true, accumulate: true });
      });
    },
    gather: (x, rows) =>
      record(ops.gather(x, rows), (dOut) => device.gatherBackward(dOut, rows, gradient(x))),
    meanRows: (x, first, count) =>
      record(
        ops.meanRows(x, first, count),
        (dOut) => device.meanRowsBackward(dOut, first, gradient(x), { count }),
      ),
    add(a, b) {
      const out = ops.add(a, b);
      return record(out, (dOut) => {
        device.add(gradient(a), dOut, gradient(a));
        if (!handOn(out, b)) device.add(gradient(b), dOut, gradient(b));
      });
    },
    rmsNorm: (x, weight, epsilon) =>
      record(
        ops.rmsNorm(x, weight, epsilon),
        (dOut) =>
          device.rmsNormBackward(x, weight, dOut, gradient(x), gradient(weight), { epsilon }),
      ),
    rope: (x, positions, rotations) =>
      record(
        ops.rope(x, positions, rotations),
        (dOut) =>
          device.rope(dOut, positions, rotations, gradient(x), { inverse: true, accumulate: true }),
      ),
    swiGlu: (gate, up) =>
      record(
        ops.swiGlu(gate, up),
        (dOut) => device.swiGluBackward(gate, up, dOut, gradient(gate), gradient(up)),
      ),
    joinRows: (a, b) =>
      record(ops.joinRows(a, b), (dOut) => device.joinRowsBackward(dOut, gradient(a), gradient(b))),
    ...attentionTape({ device, input: ops.input, gradient, record }),
    crossEntropy(logits, targets, weights, scale) {
      const losses = ops.input(targets.shape, { zero: false });
      device.crossEntropy(logits, targets, weights, losses);
      steps.push({
        out: losses,
        back: () =>
          device.crossEntropyBackward(logits, targets, weights, gradient(logits), { scale }),
      });
      return losses;
    },
    backward() {
      for (const { out, back } of steps.splice(0).reverse()) {
        back();
        // Every use of `out` came later on the tape, so its gradient has done its work.
        release(out);
      }
    },
    [Symbol.dispose]() {
      for (const tensor of [...gradients.keys()]) release(tensor);
      ops[Symbol.dispose]();
    },
  };
  return self;
}
