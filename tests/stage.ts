import { equal } from "node:assert/strict";
import { type Device, type DType, sizeOf, type Tensor } from "../src/device/device.ts";
import { type Random, randomFrom } from "./random.ts";

/** What operations wrote, by the name of the output. */
export type Results = ReadonlyMap<string, ArrayLike<number>>;

/** A piece of work that can be done on any device: the same inputs each time, from one seed. */
export type Scene = (stage: Stage) => void;

/** Where a scene gets its tensors from; they are freed when it is over. */
export interface Stage {
  readonly device: Device;
  readonly random: Random;
  /** Numbers to read: random ones, unless they are given. */
  input(shape: readonly number[], data?: ArrayLike<number>): Tensor;
  /** Integers to read. */
  indices(shape: readonly number[], data: ArrayLike<number>): Tensor;
  /** A tensor to write: it starts as noise, and lies between guards that must not change. */
  output(name: string, shape: readonly number[], dtype?: DType): Tensor;
  /** Whatever else is to be freed. */
  use<T extends Disposable>(resource: T): T;
}

const GUARD = 77;

/** Plays a scene on a device. @throws {AssertionError} If it wrote outside of its outputs. */
export async function stage(device: Device, scene: Scene, seed = 1): Promise<Results> {
  using stack = new DisposableStack();
  const outputs = new Map<string, { whole: Tensor; row: number }>();
  const random = randomFrom(seed);

  scene({
    device,
    random,
    use: (resource) => stack.use(resource),
    input: (shape, data = random.normal(sizeOf(shape))) =>
      stack.use(device.tensor(shape, { data: Float64Array.from(data) })),
    indices: (shape, data) =>
      stack.use(device.tensor(shape, { dtype: "i32", data: Int32Array.from(data) })),
    output(name, shape, dtype = "f32") {
      const [rows, ...rest] = shape;
      const whole = stack.use(device.tensor([rows + 2, ...rest], { dtype }));
      device.write(whole, guards(dtype, sizeOf(whole.shape)));
      const inside = device.view(whole, 1, rows);
      if (dtype === "f32") device.write(inside, random.normal(sizeOf(shape)));
      outputs.set(name, { whole, row: sizeOf(rest) });
      return inside;
    },
  });

  const results = new Map<string, ArrayLike<number>>();
  for (const [name, { whole, row }] of outputs) {
    const numbers = await device.read(whole);
    const end = numbers.length - row;
    const around = [...numbers.subarray(0, row), ...numbers.subarray(end)];
    equal(around.findIndex((x) => x !== GUARD), -1, `${name} was written outside, seed ${seed}`);
    results.set(name, numbers.slice(row, end));
  }
  return results;
}

function guards(dtype: DType, count: number): Float64Array | Int32Array | Uint16Array {
  if (dtype === "f16") return new Uint16Array(count).fill(GUARD);
  return dtype === "i32" ? new Int32Array(count).fill(GUARD) : new Float64Array(count).fill(GUARD);
}
