import type {
  Blocks,
  Foreign,
  LandmarkAttentionGradients,
  LandmarkAttentionOptions,
  Tensor,
} from "../device.ts";
import { foreignBias } from "../foreign.ts";
import { matchShapes } from "../shapes.ts";
import { checkIndices } from "./gather.ts";
import { type Host, launch } from "./host.ts";
import { addresses } from "./job_record.ts";
import {
  FEW_QUERIES,
  type LandmarkJob,
  PRODUCTS_PER_ELEMENT,
  runJob,
  shapeJob,
} from "./landmark_job.ts";

export { blocks } from "./block_plan.ts";

const INPUTS = { q: "f32 B T H D", k: "f32 B S G D", v: "f32 B S G D" } as const;
const OUTPUTS = { out: "f32 B T H D", top: "f32 B T H" } as const;

/** Grouped softmax over blocks, fused; asm/landmark_attention.ts. */
export function landmarkAttention(
  host: Host,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  out: Tensor,
  top: Tensor,
  { scale, foreign }: LandmarkAttentionOptions = {},
): void {
  const operation = "landmarkAttention";
  const shape = matchShapes(operation, { ...INPUTS, ...OUTPUTS }, { q, k, v, out, top });
  using lists = foreignLists(operation, host, foreign, shape);
  const job = {
    ...shapeJob(operation, host, shape, blocks, scale),
    ...addresses(host, { q, k, v, out, top }),
    ...lists.job,
  };
  const few = shape.T <= FEW_QUERIES;
  const work = attentionWork(shape);
  runJob(host, job, { packs: !few }, (at) => {
    if (few) return launch(host, work, "landmarkAttentionRows", at);
    launch(host, work, "packLandmark", at);
    launch(host, work, "landmarkAttention", at);
  });
}

/** Adds the gradients of {@linkcode landmarkAttention}; asm/landmark_attention_backward.ts. */
export function landmarkAttentionBackward(
  host: Host,
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
  using lists = foreignLists(operation, host, foreign, shape);
  const job = {
    ...shapeJob(operation, host, shape, blocks, scale),
    ...addresses(host, { q, k, v, out, top, dOut, dQ, dK, dV }),
    ...lists.job,
    ...foreignGradients(operation, host, foreign, gradients.foreign),
    shares: sharesOf(shape),
  };
  const work = 2 * attentionWork(shape);
  runJob(host, job, { packs: true }, (at) => {
    launch(host, work, "packLandmark", at);
    launch(host, work, "landmarkAttentionBackward", at);
    launch(host, work, "addLandmarkGradients", at);
  });
}

type Shape = Record<"B" | "T" | "S" | "H" | "G" | "D", number>;

/** In elements touched. */
function attentionWork({ B, T, S, H, D }: Shape): number {
  return B * T * S * H * D / PRODUCTS_PER_ELEMENT;
}

/**
 * Into how many shares the queries of one batch row and head are dealt, so that a few threads have
 * work. It follows from the shape alone, as sums taken in another order have other bits.
 */
function sharesOf({ B, T, H }: Shape): number {
  return Math.max(1, Math.min(Math.ceil(8 / (B * H)), Math.ceil(T / 192)));
}

/** The foreign blocks of a call: the lists without the entries that are none, and how long they are. */
function foreignLists(
  operation: string,
  host: Host,
  foreign: Foreign | undefined,
  { B, G, D }: Shape,
): Disposable & { job: LandmarkJob } {
  if (!foreign || foreign.index.shape[1] === 0) return { job: {}, [Symbol.dispose]: () => {} };
  const { keys, values, index } = foreign;
  const patterns = { keys: `f32 N ${G} ${D}`, values: `f32 N ${G} ${D}`, index: `i32 ${B} n` };
  const { N, n } = matchShapes(operation, patterns, { keys, values, index }) as {
    N: number;
    n: number;
  };
  checkIndices(host, operation, "foreign.index", index, [-1, N]);
  const bias = foreignBias(operation, foreign);
  const foreignLists = host.alloc(B * n * 4 + B * 4);
  const foreignCounts = foreignLists + B * n * 4;
  const given = host.i32(host.address(index), B * n);
  const lists = host.i32(foreignLists, B * n);
  for (let b = 0; b < B; b++) {
    const list = given.subarray(b * n, (b + 1) * n).filter((entry) => entry >= 0);
    lists.set(list, b * n);
    host.i32(foreignCounts, B)[b] = list.length;
  }
  return {
    job: {
      ...{ foreignLists, foreignCounts, foreignRoom: n, foreignBias: bias },
      ...addresses(host, { foreignKeys: keys, foreignValues: values }),
    },
    [Symbol.dispose]: () => host.free(foreignLists),
  };
}

/** Where the gradients of foreign blocks go. */
function foreignGradients(
  operation: string,
  host: Host,
  foreign: Foreign | undefined,
  gradients: LandmarkAttentionGradients["foreign"],
): LandmarkJob {
  if (!foreign) return {};
  if (!gradients) {
    throw new TypeError(
      `Cannot run ${operation} as gradients.foreign must be given with foreign blocks: ` +
        `current value is undefined`,
    );
  }
  const { keys, values } = gradients;
  matchShapes(
    operation,
    {
      foreignKeys: "f32 N G D",
      foreignValues: "f32 N G D",
      keys: "f32 N G D",
      values: "f32 N G D",
    },
    { foreignKeys: foreign.keys, foreignValues: foreign.values, keys, values },
  );
  return addresses(host, { dForeignKeys: keys, dForeignValues: values });
}
