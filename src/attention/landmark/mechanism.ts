import type { Device, Foreign, Tensor } from "../../device/device.ts";
import type { Ops } from "../../device/ops.ts";
import { planMemory } from "../../memory/options.ts";
import type { HeadShape } from "../../memory/head_shape.ts";
import type { Attend, Batch, BatchAttention, Mechanism, Negatives } from "../mechanism.ts";
import { rotationTable } from "../rotations.ts";
import { restoreLandmarkState } from "./restore.ts";
import { emptyParts, landmarkState } from "./state.ts";
import { regularLandmarks } from "./regular_landmarks.ts";

/** What landmark attention needs to know beside the heads. */
export interface LandmarkOptions {
  /** M: tokens a block, its landmark included. */
  readonly blockSize: number;
  /** The landmark's id. */
  readonly landmarkToken: number;
  /** K: how many blocks a state reads. @default {4} */
  readonly topBlocks?: number;
  /** Tokens a state's section holds: a multiple of `blockSize`. @default {4 blocks} */
  readonly chunk?: number;
  /** The layers of a state that have a long memory. @default {all} */
  readonly memoryLayers?: readonly number[];
}

/**
 * Landmark attention (Mohtashami & Jaggi, arXiv 2305.16300): every block ends with a landmark
 * token, and a token reaches an earlier block through the attention it pays to its landmark.
 */
export function landmarkMechanism(heads: HeadShape, options: LandmarkOptions): Mechanism {
  const { blockSize, landmarkToken, topBlocks = 4, chunk = 4 * blockSize } = options;
  const { memoryLayers = Array.from({ length: heads.layers }, (_, layer) => layer) } = options;
  const defaults = { blockSize, topBlocks, chunk, memoryLayers };
  return {
    name: "landmark",
    capabilities: { causal: true, boundedState: false, randomAccess: true, replaceable: true },
    marker: { token: landmarkToken, every: blockSize },
    parameters: () => new Map(),
    batch: (device, batch) => landmarkBatch(device, heads, blockSize, batch),
    state(device, options) {
      const plan = planMemory(heads, defaults, options, device.info.remote);
      return landmarkState(emptyParts(plan, { ...options, device }));
    },
    restore: (device, saved, options) =>
      restoreLandmarkState(heads, defaults, saved, { ...options, device }),
  };
}

function landmarkBatch(
  device: Device,
  heads: HeadShape,
  blockSize: number,
  batch: Batch,
): BatchAttention {
  const { rows, length, document, present } = batch;
  using stack = new DisposableStack();
  const i32 = (data: ArrayLike<number>): Tensor =>
    stack.use(device.tensor([data.length], { dtype: "i32", data: Int32Array.from(data) }));

  const blocks = stack.use(device.blocks(
    {
      isLandmark: regularLandmarks(length, blockSize),
      ...(document && { document }),
      ...(present && { present }),
    },
    rows,
    length,
  ));
  const rotations = stack.use(device.tensor([length, heads.headDim / 2, 2], {
    data: rotationTable(heads.frequencies, length),
  }));
  const positions = i32(Array.from({ length: rows * length }, (_, t) => t % length));
  const foreign = batch.negatives && foreignBlocks(batch.negatives);

  function foreignBlocks(negatives: Negatives): (ops: Ops, k: Tensor, v: Tensor) => Foreign {
    const perRow = Math.floor(length / blockSize);
    const first = Array.from(
      negatives.blocks,
      (block) => Math.floor(block / perRow) * length + block % perRow * blockSize,
    );
    const firstRows = i32(first);
    const landmarkRows = i32(first.map((row) => row + blockSize - 1));
    // Where old blocks are when a long text is read, the first place, unless it is said otherwise.
    const slot = i32(first.map((_, n) => (negatives.places?.[n] ?? 0) * blockSize + blockSize - 1));
    const index = stack.use(device.tensor([rows, negatives.index.length / rows], {
      dtype: "i32",
      data: negatives.index,
    }));
    return (ops, k, v) => ({
      keys: ops.rope(ops.gather(k, landmarkRows), slot, rotations),
      values: ops.meanRows(v, firstRows, blockSize - 1),
      index,
      weight: negatives.weight,
    });
  }

  const attend: Attend = (ops, _layer, input) => {
    const [q, k, v] = [input.q(), input.k(), input.v()];
    const grid = (x: Tensor): Tensor => ops.reshape(x, [rows, length, ...x.shape.slice(1)]);
    const out = ops.landmarkAttention(
      grid(ops.rope(q, positions, rotations)),
      grid(ops.rope(k, positions, rotations)),
      grid(v),
      blocks,
      foreign?.(ops, k, v),
    );
    return ops.reshape(out, q.shape);
  };
  const owned = stack.move();
  return {
    windows: [{ at: 0, length, isCut: true, begin: () => ({ attend, handed: [] }) }],
    [Symbol.dispose]: () => owned.dispose(),
  };
}
