/** The pieces of work on attention that are measured: dense, decoding, and reading from memory. */

import { regularLandmarks } from "../src/attention/landmark/regular_landmarks.ts";
import type { Device, Tensor } from "../src/device/device.ts";

/** One piece of work on one device. */
export interface AttentionCase extends Disposable {
  run(): void;
  /** Multiplications and additions, a causal half counted exactly, landmarks as dense attention. */
  readonly operations: number;
  /** Bytes of keys and values that it has to see at least once. */
  readonly bytes: number;
}

/** Keys and queries of dense landmark attention; the shape of a case. */
interface Dense {
  readonly B?: number;
  readonly T: number;
  readonly S: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  readonly backward?: boolean;
  /** Foreign blocks that every row sees. */
  readonly foreign?: number;
}

/** Named cases; each makes its tensors on a device. */
export const ATTENTION_CASES: Readonly<Record<string, (device: Device) => AttentionCase>> = {
  ...both("8 heads, 2048 tokens, width 64, M 64", { T: 2048, S: 2048, H: 8, G: 8, D: 64, M: 64 }),
  ...both("the same, M 51", { T: 2048, S: 2048, H: 8, G: 8, D: 64, M: 51 }),
  ...both("the same, M 16", { T: 2048, S: 2048, H: 8, G: 8, D: 64, M: 16 }),
  ...both("the same, width 128", { T: 2048, S: 2048, H: 8, G: 8, D: 128, M: 64 }),
  ...both("tiny model, 2 rows of 1024 tokens", {
    B: 2,
    T: 1024,
    S: 1024,
    H: 4,
    G: 2,
    D: 64,
    M: 64,
  }),
  ...both("tiny model, 2 rows, 256 foreign blocks", {
    ...{ B: 2, T: 1024, S: 1024, H: 4, G: 2, D: 64, M: 64 },
    foreign: 256,
  }),
  ...both("tiny model, 192 tokens", { T: 192, S: 192, H: 4, G: 2, D: 64, M: 64 }),
  ...windows("a window without an end", {}),
  ...windows("relative positions", { P: 2048 }),
  ...windows("a window of 512", { window: 512 }),
  ...windows("a window of 512, relative", { window: 512, P: 512 }),
  "decode: 1 of 2048, 8 heads": (device) =>
    dense(device, { T: 1, S: 2048, H: 8, G: 8, D: 64, M: 64 }),
  "decode: 1 of 192, tiny model": (device) =>
    dense(device, { T: 1, S: 192, H: 4, G: 2, D: 64, M: 64 }),
  "read: 192 tokens, 4 shared blocks": (device) => reading(device, 192, true),
  "read: 192 tokens, 4 blocks each": (device) => reading(device, 192, false),
  "read: 1 token, 4 blocks": (device) => reading(device, 1, false),
  "scan: 1 token, 4096 landmarks": (device) => scan(device, 1, 4096),
  "scan: 1 token, 156000 landmarks": (device) => scan(device, 1, 156_000),
  "scan: 192 tokens, 4096 landmarks": (device) => scan(device, 192, 4096),
  "choose by token: 1 token of 156000": (device) => choice(device, 1, 156_000, "token"),
  "choose by token: 192 tokens of 4096": (device) => choice(device, 192, 4096, "token"),
  "choose by chunk: 192 tokens of 4096": (device) => choice(device, 192, 4096, "chunk"),
};

/** A tensor of noise that is the same every time (Lehmer's generator). */
function noise(device: Device, shape: readonly number[]): Tensor {
  const length = shape.reduce((product, axis) => product * axis, 1);
  let state = 1;
  const data = Float32Array.from({ length }, () => {
    state = state * 48271 % 2147483647;
    return state / 1073741824 - 1;
  });
  return device.tensor(shape, { data });
}

function both(name: string, shape: Dense): Record<string, (device: Device) => AttentionCase> {
  return {
    [`forward: ${name}`]: (device) => dense(device, shape),
    [`backward: ${name}`]: (device) => dense(device, { ...shape, backward: true }),
  };
}

function dense(device: Device, shape: Dense): AttentionCase {
  const { B = 1, T, S, H, G, D, M, backward = false, foreign: n = 0 } = shape;
  const stack = new DisposableStack();
  const make = (...axes: number[]): Tensor => stack.use(noise(device, axes));
  const [q, dOut, out, dQ] = [0, 0, 0, 0].map(() => make(B, T, H, D));
  const [k, v, dK, dV] = [0, 0, 0, 0].map(() => make(B, S, G, D));
  const top = make(B, T, H);
  const blocks = stack.use(device.blocks({ isLandmark: regularLandmarks(S, M) }, B, S));
  const foreign = n === 0 ? undefined : {
    keys: make(n, G, D),
    values: make(n, G, D),
    index: stack.use(device.tensor([B, n], { dtype: "i32", data: allOf(n, B) })),
  };
  const gradients = {
    ...{ q: dQ, k: dK, v: dV },
    foreign: foreign && { keys: make(n, G, D), values: make(n, G, D) },
  };
  device.landmarkAttention(q, k, v, blocks, out, top, { foreign });
  const pairs = B * H * (T * (S - T) + T * (T + 1) / 2 + T * n);
  return {
    run: backward
      ? () =>
        device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients, { foreign })
      : () => device.landmarkAttention(q, k, v, blocks, out, top, { foreign }),
    operations: pairs * D * (backward ? 10 : 4),
    bytes: B * S * G * D * 8,
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** 8 heads, 2048 tokens, width 64. */
function windows(
  name: string,
  options: { window?: number; P?: number },
): Record<string, (device: Device) => AttentionCase> {
  return {
    [`forward: ${name}`]: (device) => windowed(device, options, false),
    [`backward: ${name}`]: (device) => windowed(device, options, true),
  };
}

function windowed(
  device: Device,
  { window, P }: { window?: number; P?: number },
  backward: boolean,
): AttentionCase {
  const [S, H, D] = [2048, 8, 64];
  const stack = new DisposableStack();
  const make = (...axes: number[]): Tensor => stack.use(noise(device, axes));
  const [q, k, v, dOut, out, dQ, dK, dV] = Array.from({ length: 8 }, () => make(1, S, H, D));
  const sums = make(1, S, H);
  const relativeOf = (count: number) => ({
    ...{ distances: make(count, H, D), contentBias: make(H, D), positionBias: make(H, D) },
  });
  const options = { window, relative: P === undefined ? undefined : relativeOf(P) };
  const gradients = { q: dQ, k: dK, v: dV, ...P !== undefined && relativeOf(P) };
  device.windowAttention(q, k, v, out, sums, options);
  const seen = Math.min(S, window ?? S);
  const products = (backward ? 10 : 4) * (P === undefined ? 1 : 1.5);
  return {
    run: backward
      ? () => device.windowAttentionBackward(q, k, v, out, sums, dOut, gradients, options)
      : () => device.windowAttention(q, k, v, out, sums, options),
    operations: H * (seen * (seen + 1) / 2 + (S - seen) * seen) * D * products,
    bytes: S * H * D * 8,
    [Symbol.dispose]: () => stack.dispose(),
  };
}

/** 0 … n − 1, so often. */
function allOf(n: number, rows: number): number[] {
  return Array.from({ length: rows * n }, (_, i) => i % n);
}

/** The tiny model's section of 192 tokens, of which `T` are asked, and four chosen blocks. */
function reading(device: Device, T: number, shared: boolean): AttentionCase {
  const [S, H, G, D, M, K, capacity] = [192, 4, 2, 64, 64, 4, 256];
  const stack = new DisposableStack();
  const make = (...axes: number[]): Tensor => stack.use(noise(device, axes));
  const indices = (shape: number[], at: (i: number) => number): Tensor => {
    const length = shape.reduce((product, axis) => product * axis, 1);
    const data = Array.from({ length }, (_, i) => at(i));
    return stack.use(device.tensor(shape, { dtype: "i32", data }));
  };
  const pool = stack.use(device.blockPool(capacity, { blockSize: M, headDim: D }));
  const pieces = make(capacity, 2, M, D);
  device.loadBlocks(pieces, pool, indices([capacity], (i) => i));
  const sets = [shared ? 1 : T, H, K];
  const chosen = {
    pool,
    entries: indices(sets, (i) => i * 37 % capacity),
    slots: indices(sets, (i) => i % K + 1),
  };
  const [queries, q, out] = [make(T, K + 1, H, D), make(T, H, D), make(T, H, D)];
  const [k, v] = [make(S, G, D), make(S, G, D)];
  const blocks = stack.use(device.blocks({ isLandmark: regularLandmarks(S, M) }, 1, S));
  return {
    run: () => device.memoryAttention(queries, q, k, v, blocks, chosen, out),
    operations: H * (T * (S - T) + T * (T + 1) / 2 + T * K * M) * D * 4,
    bytes: (S * G + H * K * M * sets[0]) * D * 8,
    [Symbol.dispose]: () => stack.dispose(),
  };
}

function scan(device: Device, T: number, n: number): AttentionCase {
  const [H, G, D, K] = [4, 2, 64, 4];
  const stack = new DisposableStack();
  const segments = [n >> 1, n - (n >> 1)].map((P) => stack.use(noise(device, [P, G, D])));
  const queries = stack.use(noise(device, [T, K + 1, H, D]));
  const scores = stack.use(device.tensor([T, H, n]));
  const order = stack.use(device.tensor([n], { dtype: "i32", data: allOf(n, 1) }));
  return {
    run: () => device.landmarkScores(queries, segments, order, scores),
    operations: T * H * n * D * 2,
    bytes: n * G * D * 4,
    [Symbol.dispose]: () => stack.dispose(),
  };
}

function choice(device: Device, T: number, n: number, by: "token" | "chunk"): AttentionCase {
  const [H, K] = [4, 4];
  const stack = new DisposableStack();
  const scores = stack.use(noise(device, [T, H, n]));
  const chosen = stack.use(device.tensor([by === "chunk" ? 1 : T, H, K], { dtype: "i32" }));
  return {
    run: () => device.chooseBlocks(scores, chosen, { by }),
    operations: T * H * n,
    bytes: T * H * n * 4,
    [Symbol.dispose]: () => stack.dispose(),
  };
}
