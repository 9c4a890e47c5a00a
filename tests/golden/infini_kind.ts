import type { BlockPlan, Device, InfiniUpdate, Tensor } from "../../src/device/device.ts";
import { FROM_INITIAL, READS_NOTHING } from "../../src/device/infini.ts";
import type { GoldenCase, GoldenKind } from "./golden.ts";
import { type GoldenTensors, goldenTensors } from "./tensors.ts";

/** Infini-attention: arrays are [batch, head, token, dim], no position is encoded. */
export const infiniKind: GoldenKind = {
  name: "Infini-attention",
  required: [
    ...["q", "k", "v", "beta", "grad_out", "out", "memory", "normalizer"],
    ...["grad_q", "grad_k", "grad_v", "grad_beta"],
  ],
  optional: [],
  run: async (device, golden) => {
    using stack = new DisposableStack();
    return await runInfini(device, golden, stack);
  },
};

async function runInfini(
  device: Device,
  golden: GoldenCase,
  stack: DisposableStack,
): Promise<Map<string, ArrayLike<number>>> {
  const tensors = goldenTensors(device, golden, stack);
  const { zeros, read } = tensors;
  const [q, k, v, gate, dOut] = ["q", "k", "v", "beta", "grad_out"].map(tensors.load);
  const [B, T, , D] = q.shape;
  const G = k.shape[2];
  const length = Number(golden.metadata.segment);
  const S = Math.ceil(T / length);
  const options = {
    update: golden.metadata.update as InfiniUpdate,
    epsilon: Number(golden.metadata.eps),
  };
  const segments = stack.use(
    device.tensor([B, S, 3], { dtype: "i32", data: segmentsOf(B, T, length) }),
  );
  const [initial, before] = [zeros([G, D, D + 1]), zeros([B, G, D, D + 1])];
  const [out, memories] = [zeros(q.shape), zeros([B, S, G, D, D + 1])];
  const near = localAttention(device, tensors, stack, { q, k, v, length });
  const given = [q, k, v, near.local, gate, segments, initial, before] as const;
  device.infiniAttention(...given, out, memories, options);

  const [dQ, dK, dV, dLocal] = [q, k, v, q].map(({ shape }) => zeros(shape));
  const dGate = zeros(gate.shape);
  const dAfter = zeros(before.shape);
  device.infiniAttentionBackward(...given, memories, dOut, dAfter, {
    ...{ q: dQ, k: dK, v: dV, local: dLocal, gate: dGate },
    ...{ initial: zeros(initial.shape), before: zeros(before.shape) },
  }, options);
  near.back(dLocal, { q: dQ, k: dK, v: dV });

  const last = lastMemories(await device.read(memories), [B, S, G, D]);
  return new Map<string, ArrayLike<number>>([
    ["out", await read(out)],
    ["memory", last.filter((_, i) => i % (D + 1) < D)],
    ["normalizer", last.filter((_, i) => i % (D + 1) === D)],
    ["grad_q", await read(dQ)],
    ["grad_k", await read(dK)],
    ["grad_v", await read(dV)],
    ["grad_beta", await read(dGate)],
  ]);
}

/** Softmax in each segment, by landmark attention without landmarks, and its way back. */
function localAttention(
  device: Device,
  { zeros }: GoldenTensors,
  stack: DisposableStack,
  { q, k, v, length }: { q: Tensor; k: Tensor; v: Tensor; length: number },
): { local: Tensor; back(dLocal: Tensor, into: Record<"q" | "k" | "v", Tensor>): void } {
  const [B, T, H] = q.shape;
  const plan: BlockPlan = {
    isLandmark: new Uint8Array(T),
    document: Int32Array.from({ length: T }, (_, t) => Math.floor(t / length)),
  };
  const blocks = stack.use(device.blocks(plan, B, T));
  const [local, top] = [zeros(q.shape), zeros([B, T, H])];
  device.landmarkAttention(q, k, v, blocks, local, top);
  return {
    local,
    back: (dLocal, into) =>
      device.landmarkAttentionBackward(q, k, v, blocks, local, top, dLocal, into),
  };
}

/** i32 [B, S, 3]: every row begins with an empty memory, which is not read. */
function segmentsOf(B: number, T: number, length: number): number[] {
  const row: number[] = [];
  for (let first = 0; first < T; first += length) {
    row.push(first, Math.min(T, first + length), first === 0 ? FROM_INITIAL + READS_NOTHING : 0);
  }
  return Array.from({ length: B }, () => row).flat();
}

/** [B, G, D, D + 1] out of [B, S, G, D, D + 1]. */
function lastMemories(
  memories: ArrayLike<number>,
  [B, S, G, D]: readonly number[],
): Float64Array {
  const size = G * D * (D + 1);
  const all = Float64Array.from(memories);
  const last = new Float64Array(B * size);
  for (let b = 0; b < B; b++) {
    const at = (b * S + S - 1) * size;
    last.set(all.subarray(at, at + size), b * size);
  }
  return last;
}
