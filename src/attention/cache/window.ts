import type { Device } from "../../device/device.ts";
import type { HeadShape } from "../../memory/head_shape.ts";
import type { Batch, BatchAttention, Mechanism } from "../mechanism.ts";
import { rotationTable } from "../rotations.ts";
import type { CachePlan } from "./plan.ts";
import { refuseMasks } from "./masks.ts";
import { xlMechanism } from "./xl.ts";

/** What a sliding window needs to know beside the heads. */
export interface WindowMechanismOptions {
  /** Tokens that a token sees, itself included. */
  readonly size: number;
  /** Borders of a state stand at multiples of it: markers are not parted from what they follow. @default {1} */
  readonly border?: number | undefined;
}

/** Tokens that a state takes at once, where the window is shorter. */
const CHUNK = 192;

/** Attention to the last tokens alone: what there was before memories, and what they are held against. */
export function windowMechanism(
  heads: CachePlan["heads"],
  { size, border = 1 }: WindowMechanismOptions,
): Mechanism {
  const streaming = xlMechanism(heads, {
    window: Math.ceil(Math.max(size, CHUNK) / border) * border,
    cache: size - 1,
    positions: "rope",
    clamp: 1,
    sameLength: true,
  });
  return {
    ...streaming,
    name: "window",
    batch: (device, batch) => slidingBatch(device, heads, size, batch),
  };
}

/** Rows are read whole: gradients go as far as the window does. */
function slidingBatch(
  device: Device,
  heads: HeadShape,
  size: number,
  batch: Batch,
): BatchAttention {
  const { rows, length } = batch;
  refuseMasks("a sliding window", batch);
  using stack = new DisposableStack();
  const rotations = stack.use(device.tensor([length, heads.headDim / 2, 2], {
    data: rotationTable(heads.frequencies, length),
  }));
  const positions = stack.use(device.tensor([rows * length], {
    dtype: "i32",
    data: Int32Array.from({ length: rows * length }, (_, t) => t % length),
  }));
  const owned = stack.move();
  return {
    windows: [{
      at: 0,
      length,
      isCut: true,
      begin: () => ({
        handed: [],
        attend(ops, _layer, input) {
          const grid = (x: ReturnType<typeof input.q>) =>
            ops.reshape(x, [rows, length, ...x.shape.slice(1)]);
          const q = ops.rope(input.q(), positions, rotations);
          const k = ops.rope(input.k(), positions, rotations);
          const out = ops.windowAttention(grid(q), grid(k), grid(input.v()), { window: size });
          return ops.reshape(out, q.shape);
        },
      }),
    }],
    [Symbol.dispose]: () => owned.dispose(),
  };
}
