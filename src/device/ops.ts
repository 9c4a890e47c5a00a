import type {
  Blocks,
  Device,
  Foreign,
  InfiniOptions,
  Numbers,
  Tensor,
  WindowOptions,
} from "./device.ts";

/** Options of {@linkcode Ops.input}. */
export interface InputOptions {
  /** How a number is kept. @default {"f32"} */
  dtype?: "f32" | "i32";
  /** What it begins with. @default {zeros} */
  data?: Numbers;
  /** `false` where every number is written before it is read. @default {true} */
  zero?: boolean;
}

/**
 * The operations as models are written in them: each makes its own result.
 *
 * Two kinds exist: {@linkcode eagerOps} only computes; `train/tape.ts` computes and remembers how
 * to go back. A model is written once, for both.
 */
export interface Ops extends Disposable {
  /** Where they run. */
  readonly device: Device;
  /** A tensor that lives as long as these operations: ids, positions, targets. */
  input(shape: readonly number[], options?: InputOptions): Tensor;
  /** Runs `body` and frees what it made, but for its result (a tape needs all of it, and frees nothing). */
  scope(body: (ops: Ops) => Tensor | Promise<Tensor>): Promise<Tensor>;
  /** The same numbers under another shape. */
  reshape(x: Tensor, shape: readonly number[]): Tensor;
  /** x [T, …, in] · weightᵀ, weight [out, in] → [T, out]. */
  linear(x: Tensor, weight: Tensor): Tensor;
  /** x [R, …] at rows i32 [n] → [n, …]. */
  gather(x: Tensor, rows: Tensor): Tensor;
  /** Means of `count` rows of x [R, …] from first i32 [n] on → [n, …]. */
  meanRows(x: Tensor, first: Tensor, count: number): Tensor;
  /** a + b, of one shape. */
  add(a: Tensor, b: Tensor): Tensor;
  /** x [T, C], every row to a root mean square of one, times weight [C]. */
  rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor;
  /** a [B, m, …] and b [B, n, …] → [B, m + n, …], row by row. */
  joinRows(a: Tensor, b: Tensor): Tensor;
  /** x [T, …, D] turned to positions i32 [T] by rotations f32 [P, D/2, 2]. */
  rope(x: Tensor, positions: Tensor, rotations: Tensor): Tensor;
  /** silu(gate) · up, of one shape. */
  swiGlu(gate: Tensor, up: Tensor): Tensor;
  /** q [B, T, H, D], k and v [B, S, G, D] → [B, T, H, D]. */
  landmarkAttention(q: Tensor, k: Tensor, v: Tensor, blocks: Blocks, foreign?: Foreign): Tensor;
  /** q [B, T, H, D], k and v [B, S, G, D] → [B, T, H, D]. */
  windowAttention(q: Tensor, k: Tensor, v: Tensor, options?: WindowOptions): Tensor;
  /** → out [B, T, H, D], and after [B, G, D, D + 1], the memory behind the last segment. */
  infiniAttention(inputs: InfiniInputs): { out: Tensor; after: Tensor };
}

/** What `infiniAttention` takes; shapes as there. */
export interface InfiniInputs {
  /** f32 [B, T, H, D], without position. */
  readonly q: Tensor;
  /** f32 [B, T, G, D], without position. */
  readonly k: Tensor;
  /** f32 [B, T, G, D]. */
  readonly v: Tensor;
  /** f32 [B, T, H, D]: what attention inside the segments gives. */
  readonly local: Tensor;
  /** f32 [H], before the sigmoid. */
  readonly gate: Tensor;
  /** i32 [B, S, 3]: first token, end, and kind. */
  readonly segments: Tensor;
  /** f32 [G, D, D + 1]: what a text begins from. */
  readonly initial: Tensor;
  /** f32 [B, G, D, D + 1]: what the first segment goes on from. */
  readonly before: Tensor;
  /** How segments are written. */
  readonly options: InfiniOptions;
}

/** Operations that only compute. */
export interface EagerOps extends Ops {
  /** The tensor, if it was made by these, is the caller's from now on; says whether it was. */
  release(tensor: Tensor): boolean;
}

/** Operations that only compute; everything they made is freed with them. */
export function eagerOps(device: Device): EagerOps {
  const made: Tensor[] = [];
  // Every operation overwrites its result.
  const make = (shape: readonly number[]): Tensor => {
    const tensor = device.tensor(shape, { zero: false });
    made.push(tensor);
    return tensor;
  };
  const self: EagerOps = {
    device,
    input(shape, options) {
      const tensor = device.tensor(shape, options);
      made.push(tensor);
      return tensor;
    },
    async scope(body) {
      using inner = eagerOps(device);
      const result = await body(inner);
      // The result outlives its scope; what is only a view on something that does not is copied.
      if (inner.release(result)) {
        made.push(result);
        return result;
      }
      const kept = make(result.shape);
      device.copy(result, kept);
      return kept;
    },
    reshape: (x, shape) => device.reshape(x, shape),
    linear(x, weight) {
      const [outputs, inputs] = weight.shape;
      const rows = rowsOf(device, x, inputs);
      const out = make([rows.shape[0], outputs]);
      device.matmul(rows, weight, out, { transposeB: true });
      return out;
    },
    gather(x, rows) {
      const out = make([rows.shape[0], ...x.shape.slice(1)]);
      device.gather(x, rows, out);
      return out;
    },
    meanRows(x, first, count) {
      const out = make([first.shape[0], ...x.shape.slice(1)]);
      device.meanRows(x, first, out, { count });
      return out;
    },
    add(a, b) {
      const out = make(a.shape);
      device.add(a, b, out);
      return out;
    },
    rmsNorm(x, weight, epsilon) {
      const out = make(x.shape);
      device.rmsNorm(x, weight, out, { epsilon });
      return out;
    },
    joinRows(a, b) {
      const [B, m, ...rest] = a.shape;
      const out = make([B, m + b.shape[1], ...rest]);
      device.joinRows(a, b, out);
      return out;
    },
    rope(x, positions, rotations) {
      const out = make(x.shape);
      device.rope(x, positions, rotations, out);
      return out;
    },
    swiGlu(gate, up) {
      const out = make(gate.shape);
      device.swiGlu(gate, up, out);
      return out;
    },
    landmarkAttention(q, k, v, blocks, foreign) {
      const out = make(q.shape);
      const top = make(q.shape.slice(0, 3));
      device.landmarkAttention(q, k, v, blocks, out, top, { foreign });
      return out;
    },
    windowAttention(q, k, v, options) {
      const out = make(q.shape);
      device.windowAttention(q, k, v, out, make(q.shape.slice(0, 3)), options);
      return out;
    },
    infiniAttention(inputs) {
      const { out, after } = attendWithMemory(self, inputs);
      return { out, after };
    },
    release(tensor) {
      const at = made.indexOf(tensor);
      if (at >= 0) made.splice(at, 1);
      return at >= 0;
    },
    [Symbol.dispose]() {
      for (const tensor of made.splice(0)) tensor[Symbol.dispose]();
    },
  };
  return self;
}

/** Infini-attention with all that it computes; memories [B, S, G, D, D + 1]. */
export function attendWithMemory(
  ops: Pick<Ops, "device" | "input">,
  { q, k, v, local, gate, segments, initial, before, options }: InfiniInputs,
): { out: Tensor; memories: Tensor; after: Tensor } {
  const { device } = ops;
  const [B, S] = segments.shape;
  const [, G, D] = before.shape;
  const out = ops.input(q.shape, { zero: false });
  const memories = ops.input([B, S, G, D, D + 1], { zero: false });
  device.infiniAttention(q, k, v, local, gate, segments, initial, before, out, memories, options);
  const last = Int32Array.from({ length: B }, (_, b) => b * S + S - 1);
  const after = ops.input(before.shape, { zero: false });
  const each = G * D * (D + 1);
  device.gather(
    device.reshape(memories, [B * S, each]),
    ops.input([B], { dtype: "i32", data: last }),
    device.reshape(after, [B, each]),
  );
  return { out, memories, after };
}

/** x [T, …] as rows of `width` numbers. */
export function rowsOf(device: Device, x: Tensor, width: number): Tensor {
  const size = x.shape.reduce((product, length) => product * length, 1);
  return device.reshape(x, [size / width, width]);
}
