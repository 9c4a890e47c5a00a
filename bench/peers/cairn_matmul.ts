import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { inputShapes } from "../matmul_shapes.ts";
import type { Peer } from "./peer.ts";

/** This project's CPU device. */
export async function openCairn(threads: number): Promise<Peer> {
  const device = await openCpuDevice({ threads });
  return {
    name: "Cairn",
    prepare(shape, aData, bData) {
      const { m, n, transposeA = false, transposeB = false } = shape;
      const shapes = inputShapes(shape);
      const a = device.tensor(shapes.a, { data: aData });
      const b = device.tensor(shapes.b, { data: bData });
      const out = device.tensor([m, n]);
      return Promise.resolve({
        run(count) {
          for (let i = 0; i < count; i++) device.matmul(a, b, out, { transposeA, transposeB });
        },
        read: () => device.read(out),
        [Symbol.dispose]() {
          for (const tensor of [a, b, out]) tensor[Symbol.dispose]();
        },
      });
    },
  };
}
