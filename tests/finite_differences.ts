import type { Device, Tensor } from "../src/device/device.ts";
import { sizeOf } from "../src/device/device.ts";
import { assertClose } from "./close.ts";
import { randomFrom } from "./random.ts";

/** An operation, its inputs, and its way back. */
export interface Differentiable {
  /** The shape of each input that has a gradient. */
  inputs: readonly (readonly number[])[];
  out: readonly number[];
  forward(device: Device, inputs: readonly Tensor[], out: Tensor): void;
  /** Adds to the gradient of each input. */
  backward(
    device: Device,
    inputs: readonly Tensor[],
    dOut: Tensor,
    gradients: readonly Tensor[],
  ): void;
}

const STEP = 1e-5;

/**
 * Fails unless backward adds the slopes of Σ dOut · out, by central differences (their error is
 * about 1e-10 in f64, so this is for the reference device).
 */
export async function assertGradients(
  device: Device,
  { inputs, out, forward, backward }: Differentiable,
  seed = 1,
): Promise<void> {
  using stack = new DisposableStack();
  const random = randomFrom(seed);
  const tensor = (shape: readonly number[]): Tensor =>
    stack.use(device.tensor(shape, { data: random.normal(sizeOf(shape)) }));
  const tensors = inputs.map(tensor);
  const [dOut, result] = [tensor(out), tensor(out)];

  // Gradients are added, so they start from something.
  const gradients = inputs.map(tensor);
  const starts = await Promise.all(gradients.map((gradient) => device.read(gradient)));
  forward(device, tensors, result);
  backward(device, tensors, dOut, gradients);

  const slopes = await device.read(dOut);
  const loss = async (): Promise<number> => {
    forward(device, tensors, result);
    const values = await device.read(result);
    return Array.from(values).reduce((sum, x, i) => sum + x * slopes[i], 0);
  };
  for (const [n, input] of tensors.entries()) {
    const values = await device.read(input);
    const expected = Float64Array.from(starts[n]);
    for (let i = 0; i < values.length; i++) {
      const at = async (x: number): Promise<number> => {
        device.write(input, [x], i);
        return await loss();
      };
      expected[i] += (await at(values[i] + STEP) - await at(values[i] - STEP)) / (2 * STEP);
      device.write(input, [values[i]], i);
    }
    const actual = await device.read(gradients[n]);
    assertClose(
      actual,
      expected,
      { atol: 1e-7, rtol: 1e-7 },
      `gradient of input ${n}, seed ${seed}`,
    );
  }
}
