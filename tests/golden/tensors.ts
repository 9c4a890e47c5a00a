/** Tensors of golden files, on a device and back. */

import type { Device, Tensor } from "../../src/device/device.ts";
import type { HostTensor } from "../../src/model/checkpoint/safetensors.ts";
import type { GoldenCase } from "./golden.ts";

/** What a run of a case needs; tensors are freed with the stack. */
export interface GoldenTensors {
  load(name: string): Tensor;
  zeros(shape: readonly number[]): Tensor;
  read(tensor: Tensor): Promise<ArrayLike<number>>;
}

/** Files have [B, heads, T, D], devices [B, T, heads, D]; other arrays are the same. */
export function goldenTensors(
  device: Device,
  { tensors }: GoldenCase,
  stack: DisposableStack,
): GoldenTensors {
  return {
    load(name) {
      const { shape, data } = tokensFirst(tensors.get(name)!);
      const dtype = name === "foreign_index" ? "i32" : "f32";
      return stack.use(device.tensor(shape, { dtype, data }));
    },
    zeros: (shape) => stack.use(device.tensor(shape)),
    async read(tensor) {
      const data = Float64Array.from(await device.read(tensor));
      return tokensFirst({ shape: tensor.shape, data }).data;
    },
  };
}

/** [B, heads, T, D] → [B, T, heads, D], and back; other arrays as they are. */
function tokensFirst({ shape, data }: HostTensor): HostTensor {
  if (shape.length !== 4) return { shape, data };
  const [B, X, Y, D] = shape;
  const turned = new Float64Array(data.length);
  for (let b = 0; b < B; b++) {
    for (let x = 0; x < X; x++) {
      for (let y = 0; y < Y; y++) {
        const from = ((b * X + x) * Y + y) * D;
        turned.set(data.subarray(from, from + D), ((b * Y + y) * X + x) * D);
      }
    }
  }
  return { shape: [B, Y, X, D], data: turned };
}
