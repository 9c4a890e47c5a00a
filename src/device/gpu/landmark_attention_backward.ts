import type {
  Blocks,
  Foreign,
  LandmarkAttentionGradients,
  LandmarkAttentionOptions,
  Tensor,
} from "../device.ts";
import { DeviceError } from "../device_error.ts";
import { foreignBias } from "../foreign.ts";
import { matchShapes } from "../shapes.ts";
import { add } from "./add.ts";
import { checkBlocks } from "./blocks.ts";
import type { GpuHost } from "./host.ts";
import { checkIndices } from "./host_check.ts";
import {
  backSlice,
  GRADIENT_BYTES,
  type Job,
  type Keys,
  slicesOf,
  sumLists,
} from "./landmark_gradient.ts";

const INPUTS = { q: "f32 B T H D", k: "f32 B S G D", v: "f32 B S G D" } as const;
const OUTPUTS = { out: "f32 B T H D", top: "f32 B T H" } as const;

/** Adds the gradients of `landmarkAttention`; wgsl/landmark_attention_backward_*.wgsl. */
export function landmarkAttentionBackward(
  host: GpuHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  out: Tensor,
  top: Tensor,
  dOut: Tensor,
  gradients: LandmarkAttentionGradients,
  { scale, foreign }: LandmarkAttentionOptions = {},
): void {
  const operation = "landmarkAttentionBackward";
  const { q: dQ, k: dK, v: dV } = gradients;
  const shape = matchShapes(
    operation,
    { ...INPUTS, ...OUTPUTS, dOut: INPUTS.q, dQ: INPUTS.q, dK: INPUTS.k, dV: INPUTS.v },
    { q, k, v, out, top, dOut, dQ, dK, dV },
  );
  checkRoom(host, operation);
  const plan = checkBlocks(operation, host, blocks, shape);
  const pool = checkForeign(host, operation, foreign, gradients.foreign, shape);
  const job: Job = {
    ...{ shape, plan, q, out, top, dOut, dQ },
    scale: scale ?? 1 / Math.sqrt(shape.D),
  };
  const own = { k, v, dK, dV };
  if (host.shares(dK, dV)) return apart(host, dV, (dV) => back(host, job, { ...own, dV }, pool));
  back(host, job, own, pool);
}

/** An adapter may have too little workgroup memory for tiles, and can still do all the rest. */
function checkRoom({ limits: { workgroupBytes } }: GpuHost, operation: string): void {
  if (workgroupBytes >= GRADIENT_BYTES) return;
  throw new DeviceError(
    `Cannot run ${operation} as the adapter's maxComputeWorkgroupStorageSize must be at least ` +
      `${GRADIENT_BYTES}: current value is ${workgroupBytes}`,
  );
}

/** Adds all gradients, of tensors in buffers of their own. */
function back(host: GpuHost, job: Job, own: Keys, pool: Pool | undefined): void {
  if (!pool) {
    for (const slice of slicesOf(host, job)) backSlice(host, job, slice, own);
    return;
  }
  const { B, G, D } = job.shape;
  const { keys, values, index, bias, dKeys, dValues } = pool;
  const lists = [B, index.shape[1], G, D];
  using dK = host.tensor(lists);
  using dV = host.tensor(lists);
  const listed = { k: keys, v: values, dK, dV, index, bias };
  for (const slice of slicesOf(host, job)) backSlice(host, job, slice, own, listed);
  const sum = (dValues: Tensor) => sumLists(host, listed, dKeys, dValues);
  if (host.shares(dKeys, dValues)) apart(host, dValues, sum);
  else sum(dValues);
}

/** Lets `body` add to another tensor, and that to `out`: a kernel may not bind a buffer twice to write. */
export function apart(host: GpuHost, out: Tensor, body: (out: Tensor) => void): void {
  using other = host.tensor(out.shape);
  body(other);
  add(host, out, other, out);
}

/** A pool of foreign blocks that is seen, and where its gradients go. */
interface Pool extends Foreign {
  readonly bias: number;
  readonly dKeys: Tensor;
  readonly dValues: Tensor;
}

/** The foreign blocks of a call, if it has any. */
function checkForeign(
  host: GpuHost,
  operation: string,
  foreign: Foreign | undefined,
  gradients: LandmarkAttentionGradients["foreign"],
  { B, G, D }: Record<"B" | "G" | "D", number>,
): Pool | undefined {
  if (!foreign) return undefined;
  if (!gradients) {
    throw new TypeError(
      `Cannot run ${operation} as gradients.foreign must be given with foreign blocks: ` +
        `current value is undefined`,
    );
  }
  const { keys, values, index } = foreign;
  const { keys: dKeys, values: dValues } = gradients;
  const entries = `f32 N ${G} ${D}`;
  const { N } = matchShapes(
    operation,
    { keys: entries, values: entries, index: `i32 ${B} n`, dKeys: entries, dValues: entries },
    { keys, values, index, dKeys, dValues },
  ) as { N: number };
  checkIndices(host, operation, "foreign.index", index, [-1, N]);
  const bias = foreignBias(operation, foreign);
  return index.shape[1] === 0 ? undefined : { ...foreign, bias, dKeys, dValues };
}
