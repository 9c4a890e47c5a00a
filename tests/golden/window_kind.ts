import type { Device, RelativePositions } from "../../src/device/device.ts";
import type { GoldenCase, GoldenKind } from "./golden.ts";
import { goldenTensors } from "./tensors.ts";

/** Windows, and Transformer-XL's positions: arrays as their metadata says. */
export const windowKind: GoldenKind = {
  name: "window attention",
  required: ["q", "k", "v", "grad_out", "out", "sums", "grad_q", "grad_k", "grad_v"],
  optional: [[
    ...["distances", "content_bias", "position_bias"],
    ...["grad_distances", "grad_content_bias", "grad_position_bias"],
  ]],
  run: async (device, golden) => {
    using stack = new DisposableStack();
    return await runWindow(device, golden, stack);
  },
};

async function runWindow(
  device: Device,
  golden: GoldenCase,
  stack: DisposableStack,
): Promise<Map<string, ArrayLike<number>>> {
  const { load, zeros, read } = goldenTensors(device, golden, stack);
  const [q, k, v, dOut] = ["q", "k", "v", "grad_out"].map(load);
  const [out, sums] = [zeros(q.shape), zeros(q.shape.slice(0, 3))];
  const relative: RelativePositions | undefined = golden.tensors.has("distances")
    ? {
      distances: load("distances"),
      contentBias: load("content_bias"),
      positionBias: load("position_bias"),
    }
    : undefined;
  const gradients = {
    ...{ q: zeros(q.shape), k: zeros(k.shape), v: zeros(k.shape) },
    ...relative && {
      distances: zeros(relative.distances.shape),
      contentBias: zeros(relative.contentBias.shape),
      positionBias: zeros(relative.positionBias.shape),
    },
  };
  const options = { ...optionsOf(golden), relative };
  device.windowAttention(q, k, v, out, sums, options);
  device.windowAttentionBackward(q, k, v, out, sums, dOut, gradients, options);

  const results = new Map([["out", await read(out)], ["sums", await read(sums)]]);
  for (const [name, tensor] of Object.entries(gradients)) {
    results.set(`grad_${name.replace("Bias", "_bias")}`, await read(tensor));
  }
  return results;
}

/** "1/sqrt(d)" is what the device does by itself. */
function optionsOf({ name, metadata }: GoldenCase): {
  window?: number;
  absent?: number;
  scale?: number;
} {
  const { window, absent = "0", scale = "1/sqrt(d)" } = metadata;
  const given = {
    absent: Number(absent),
    ...window !== undefined && { window: Number(window) },
    ...scale !== "1/sqrt(d)" && { scale: Number(scale) },
  };
  if (Object.values(given).every(Number.isFinite)) return given;
  throw new TypeError(
    `Cannot run golden case "${name}" as window, absent and scale must be numbers: ` +
      `current values are ${window}, ${absent} and ${scale}`,
  );
}
