import type { Blocks, Device, Foreign, LandmarkAttentionGradients, Tensor } from "../device.ts";
import { checkDivides, matchShapes } from "../shapes.ts";
import { type ReferenceBlocks, spellOut } from "./blocks.ts";
import { foreignBias } from "../foreign.ts";
import { type ForeignBlocks, landmarkAttention } from "./landmark_attention.ts";
import { landmarkAttentionBackward } from "./landmark_attention_backward.ts";
import { checkIndices, type Reach, type Reals } from "./tensors.ts";

const ATTENTION = {
  q: "f32 B T H D",
  k: "f32 B S G D",
  v: "f32 B S G D",
  out: "f32 B T H D",
  top: "f32 B T H",
} as const;

/** Landmark attention and its plans: shapes are checked here, and computed elsewhere. */
export function landmarkOperations(
  reach: Reach,
): Pick<Device, "blocks" | "landmarkAttention" | "landmarkAttentionBackward"> {
  const { reals } = reach;
  return {
    blocks: spellOut,
    landmarkAttention(q, k, v, blocks, out, top, options = {}) {
      const name = "landmarkAttention";
      const sizes = matchShapes(name, ATTENTION, { q, k, v, out, top });
      const plan = planFor(name, blocks, sizes);
      const foreign = foreignOf(name, reach, options.foreign, k);
      const scale = options.scale ?? 1 / Math.sqrt(sizes.D);
      const [o, l] = [reals(out), reals(top)];
      landmarkAttention(reals(q), reals(k), reals(v), plan, o, l, { scale, foreign });
    },
    landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients, options = {}) {
      const name = "landmarkAttentionBackward";
      const sizes = matchShapes(
        name,
        {
          ...ATTENTION,
          dOut: ATTENTION.q,
          dQ: ATTENTION.q,
          dK: ATTENTION.k,
          dV: ATTENTION.v,
        } as const,
        { q, k, v, out, top, dOut, dQ: gradients.q, dK: gradients.k, dV: gradients.v },
      );
      const plan = planFor(name, blocks, sizes);
      const foreign = foreignOf(name, reach, options.foreign, k);
      const into = {
        q: reals(gradients.q),
        k: reals(gradients.k),
        v: reals(gradients.v),
        foreign: options.foreign && foreignGradients(name, reach, options.foreign, gradients),
      };
      const scale = options.scale ?? 1 / Math.sqrt(sizes.D);
      const dO = reals(dOut);
      landmarkAttentionBackward(reals(q), reals(k), reals(v), plan, dO, into, { scale, foreign });
    },
  };
}

/** The plan, if it is this device's and fits. */
export function planFor(
  operation: string,
  blocks: Blocks,
  { B, T, S, G, H }: Record<"B" | "T" | "S" | "G" | "H", number>,
): ReferenceBlocks {
  checkDivides(operation, ["G", G], ["H", H]);
  if (!isReferenceBlocks(blocks)) {
    throw new TypeError(`Cannot run ${operation} as its blocks belong to another device`);
  }
  if (blocks.freed) throw new TypeError(`Cannot run ${operation} as its blocks were freed`);
  if (blocks.rows !== B || blocks.keys !== S || T > S) {
    throw new RangeError(
      `Cannot run ${operation} as blocks must be for B = ${B} rows of S = ${S} keys, and the ` +
        `T = ${T} queries the last of them: current value is ${blocks.rows} rows of ${blocks.keys} keys`,
    );
  }
  return blocks;
}

function isReferenceBlocks(blocks: Blocks): blocks is ReferenceBlocks {
  return "row" in blocks && "freed" in blocks;
}

function foreignOf(
  operation: string,
  { reals, indices }: Reach,
  foreign: Foreign | undefined,
  k: Tensor,
): ForeignBlocks | undefined {
  if (foreign === undefined) return undefined;
  const { keys, values, index } = foreign;
  const { N } = matchShapes(
    operation,
    { k: "f32 B S G D", keys: "f32 N G D", values: "f32 N G D", index: "i32 B n" },
    { k, keys, values, index },
  );
  checkIndices(operation, "foreign.index", indices(index), [-1, N]);
  const bias = foreignBias(operation, foreign);
  return { keys: reals(keys), values: reals(values), index: indices(index), bias };
}

function foreignGradients(
  operation: string,
  { reals }: Reach,
  foreign: Foreign,
  gradients: LandmarkAttentionGradients,
): { keys: Reals; values: Reals } {
  if (gradients.foreign === undefined) {
    throw new TypeError(
      `Cannot run ${operation} as foreign blocks must have gradients: current value is undefined`,
    );
  }
  const { keys, values } = gradients.foreign;
  matchShapes(
    operation,
    { foreign: "f32 N G D", dKeys: "f32 N G D", dValues: "f32 N G D" },
    { foreign: foreign.keys, dKeys: keys, dValues: values },
  );
  return { keys: reals(keys), values: reals(values) };
}
