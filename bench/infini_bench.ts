/**
 * Infini-attention's memory beside local attention, in ms and GFLOP/s of its products:
 *
 *   deno run -A bench/infini_bench.ts [THREADS] [TOKENS]
 *
 * 8 heads of 64, segments of 2048 tokens. Local attention is landmark attention without landmarks
 * whose documents are the segments, 4·D operations for each causal pair and head forward, 10·D
 * backward. A memory's products have 2·D² operations each: forward two for every token and head,
 * three with the delta rule; backward five, or nine.
 */
import type { Device, InfiniUpdate, Tensor } from "../src/device/device.ts";
import { openCpuDevice } from "../src/device/cpu/cpu_device.ts";
import { FROM_INITIAL, READS_NOTHING } from "../src/device/infini.ts";

const [H, D, N] = [8, 64, 2048];
const threads = Number(Deno.args[0] ?? 1);
const T = Number(Deno.args[1] ?? 32768);
const S = Math.ceil(T / N);
/** Products of every token with its memory; the first segment is not read. */
const PRODUCTS = {
  linear: { forward: 2 - 1 / S, backward: 5 - 3 / S },
  delta: { forward: 3 - 1 / S, backward: 9 - 3 / S },
} as const;

using device = await openCpuDevice({ threads });
using stack = new DisposableStack();
const rows = [1, T, H, D];
const [q, k, v, dOut] = [1, 2, 3, 4].map((seed) => noise(device, rows, seed));
const [local, out, dQ, dK, dV, dLocal] = [0, 0, 0, 0, 0, 0].map(() => zeros(rows));
const [gate, dGate, top] = [zeros([H]), zeros([H]), zeros([1, T, H])];
const memory = [H, D, D + 1];
const [initial, dInitial] = [zeros(memory), zeros(memory)];
const [before, dBefore, dAfter] = [0, 0, 0].map(() => zeros([1, ...memory]));
const memories = zeros([1, S, ...memory]);
const segments = stack.use(device.tensor([1, S, 3], {
  dtype: "i32",
  data: Array.from({ length: S }, (_, s) => [
    ...[s * N, Math.min(T, (s + 1) * N)],
    s === 0 ? FROM_INITIAL + READS_NOTHING : 0,
  ]).flat(),
}));
const blocks = stack.use(device.blocks(
  {
    isLandmark: new Uint8Array(T),
    document: Int32Array.from({ length: T }, (_, t) => Math.floor(t / N)),
  },
  1,
  T,
));
const near = { q: dQ, k: dK, v: dV };
const gradients = { ...near, local: dLocal, gate: dGate, initial: dInitial, before: dBefore };
const given = [q, k, v, local, gate, segments, initial, before] as const;

console.log(`${T} tokens, ${H} heads × ${D}, segments of ${N}, ${device.info.name} ×${threads}`);
const pairs = H * S * N * (N + 1) / 2;
report("local", pairs * D * 4, () => device.landmarkAttention(q, k, v, blocks, local, top));
report(
  "local, backward",
  pairs * D * 10,
  () => device.landmarkAttentionBackward(q, k, v, blocks, local, top, dOut, near),
);
for (const update of ["linear", "delta"] as const satisfies readonly InfiniUpdate[]) {
  const operations = T * H * 2 * D * D;
  report(
    `memory, ${update}`,
    operations * PRODUCTS[update].forward,
    () => device.infiniAttention(...given, out, memories, { update }),
  );
  report(
    `memory, ${update}, backward`,
    operations * PRODUCTS[update].backward,
    () => device.infiniAttentionBackward(...given, memories, dOut, dAfter, gradients, { update }),
  );
}

/** Prints the median of five runs after one to warm up. */
function report(name: string, operations: number, run: () => void): void {
  run();
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    run();
    return performance.now() - start;
  });
  const ms = times.toSorted((a, b) => a - b)[times.length >> 1];
  const rate = (operations / ms / 1e6).toFixed(1);
  console.log(`${name.padEnd(26)} ${ms.toFixed(1).padStart(8)} ms ${rate.padStart(6)} GFLOP/s`);
}

function zeros(shape: readonly number[]): Tensor {
  return stack.use(device.tensor(shape));
}

/** The same noise every time (Lehmer's generator). */
function noise(device: Device, shape: readonly number[], seed: number): Tensor {
  const length = shape.reduce((product, axis) => product * axis, 1);
  let state = seed;
  const data = Float32Array.from({ length }, () => {
    state = state * 48271 % 2147483647;
    return state / 1073741824 - 1;
  });
  return stack.use(device.tensor(shape, { data }));
}
