import type { BlockPlan, Device, Tensor } from "../../src/device/device.ts";
import type { GoldenCase, GoldenKind } from "./golden.ts";
import { goldenTensors } from "./tensors.ts";

/** Landmark attention: arrays are [batch, head, token, dim]. */
export const landmarkKind: GoldenKind = {
  name: "landmark attention",
  required: ["q", "k", "v", "grad_out", "is_landmark", "out", "grad_q", "grad_k", "grad_v"],
  optional: [
    ["document"],
    ["present"],
    ["foreign_k", "foreign_v", "foreign_index", "grad_foreign_k", "grad_foreign_v"],
  ],
  run: async (device, golden) => {
    using stack = new DisposableStack();
    return await runLandmark(device, golden, stack);
  },
};

async function runLandmark(
  device: Device,
  golden: GoldenCase,
  stack: DisposableStack,
): Promise<Map<string, ArrayLike<number>>> {
  const { tensors, metadata } = golden;
  const { load, zeros, read } = goldenTensors(device, golden, stack);
  const [q, k, v, dOut] = ["q", "k", "v", "grad_out"].map(load);
  const [out, top] = [zeros(q.shape), zeros(q.shape.slice(0, 3))];
  const blocks = stack.use(device.blocks(planOf(tensors), k.shape[0], k.shape[1]));
  const foreign = tensors.has("foreign_k")
    ? { keys: load("foreign_k"), values: load("foreign_v"), index: load("foreign_index") }
    : undefined;
  const gradients = {
    q: zeros(q.shape),
    k: zeros(k.shape),
    v: zeros(k.shape),
    foreign: foreign && { keys: zeros(foreign.keys.shape), values: zeros(foreign.keys.shape) },
  };
  const options = { foreign, ...scaleOf(metadata) };
  device.landmarkAttention(q, k, v, blocks, out, top, options);
  device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients, options);

  const results = new Map<string, ArrayLike<number>>();
  const keep = async (name: string, tensor: Tensor): Promise<void> => {
    results.set(name, await read(tensor));
  };
  await keep("out", out);
  await keep("grad_q", gradients.q);
  await keep("grad_k", gradients.k);
  await keep("grad_v", gradients.v);
  if (gradients.foreign) await keep("grad_foreign_k", gradients.foreign.keys);
  if (gradients.foreign) await keep("grad_foreign_v", gradients.foreign.values);
  return results;
}

function planOf(tensors: GoldenCase["tensors"]): BlockPlan {
  const document = tensors.get("document");
  const present = tensors.get("present");
  return {
    isLandmark: Uint8Array.from(tensors.get("is_landmark")!.data),
    ...(document && { document: Int32Array.from(document.data) }),
    ...(present && { present: Uint8Array.from(present.data) }),
  };
}

/** "1/sqrt(d)" is what the device does by itself. */
function scaleOf({ scale = "1/sqrt(d)" }: GoldenCase["metadata"]): { scale?: number } {
  if (scale === "1/sqrt(d)") return {};
  if (Number.isFinite(Number(scale))) return { scale: Number(scale) };
  throw new TypeError(
    `Cannot run a golden case as its scale must be a number or 1/sqrt(d): current value is ${scale}`,
  );
}
