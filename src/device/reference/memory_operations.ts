import type { Chosen, Device, DType, Tensor } from "../device.ts";
import { checkChoice } from "../choose_blocks.ts";
import { checkPlaces, placeBlocks } from "../place_blocks.ts";
import { checkDivides, checkInteger, matchShapes } from "../shapes.ts";
import { loadBlocks, sealBlocks } from "./block_pool.ts";
import { chooseBlocks } from "./choose_blocks.ts";
import { planFor } from "./landmark_operations.ts";
import { landmarkScores } from "./landmark_scores.ts";
import { type ChosenBlocks, memoryAttention } from "./memory_attention.ts";
import { checkIndices, type Reach, type ReferenceTensor } from "./tensors.ts";

const MOST = Number.MAX_SAFE_INTEGER;

/** What reads a block memory: shapes are checked here, and computed elsewhere. */
export function memoryOperations(
  reach: Reach,
  create: (dtype: DType, shape: readonly number[]) => ReferenceTensor,
): Pick<
  Device,
  | "sealBlocks"
  | "blockPool"
  | "loadBlocks"
  | "landmarkScores"
  | "chooseBlocks"
  | "placeBlocks"
  | "memoryAttention"
> {
  const { any, reals, indices } = reach;
  return {
    sealBlocks(k, v, out) {
      const patterns = { k: "f32 S G D", v: "f32 S G D", out: "f32|f16 n G 2 M D" } as const;
      const { S, n, M } = matchShapes("sealBlocks", patterns, { k, v, out });
      checkInteger("sealBlocks", "S, the keys of n blocks of M,", S, [n * M, n * M]);
      sealBlocks(reals(k), reals(v), any(out));
    },
    blockPool(capacity, { blockSize, headDim }) {
      checkInteger("blockPool", "capacity", capacity, [1, MOST]);
      checkInteger("blockPool", "blockSize", blockSize, [2, MOST]);
      checkInteger("blockPool", "headDim", headDim, [1, MOST]);
      return create("f32", [capacity, 2, blockSize, headDim]);
    },
    loadBlocks(pieces, pool, entries) {
      const patterns = {
        pieces: "f32|f16 n 2 M D",
        pool: "f32 C 2 M D",
        entries: "i32 n",
      } as const;
      const { C } = matchShapes("loadBlocks", patterns, { pieces, pool, entries });
      checkIndices("loadBlocks", "entries", indices(entries), [0, C]);
      loadBlocks(any(pieces), reals(pool), indices(entries));
    },
    landmarkScores(queries, landmarks, order, scores, options = {}) {
      const name = "landmarkScores";
      const patterns = { queries: "f32 T Z H D", order: "i32 n", scores: "f32 T H n" } as const;
      const { H, D } = matchShapes(name, patterns, { queries, order, scores });
      const rows = checkSegments(name, queries, landmarks);
      checkDivides(name, ["G", landmarks[0].shape[1]], ["H", H]);
      checkIndices(name, "order", indices(order), [0, rows]);
      const scale = options.scale ?? 1 / Math.sqrt(D);
      landmarkScores(reals(queries), landmarks.map(reals), indices(order), reals(scores), {
        scale,
      });
    },
    chooseBlocks(scores, chosen, options) {
      checkChoice({ scores, chosen }, options.by);
      chooseBlocks(reals(scores), indices(chosen), options);
    },
    placeBlocks(chosen, order, entries, slots, options) {
      const shape = checkPlaces({ chosen, order, entries, slots }, options);
      checkIndices("placeBlocks", "chosen", indices(chosen), [0, shape.n]);
      const data = (tensor: Tensor): Int32Array => indices(tensor).data;
      placeBlocks(data(chosen), data(order), data(entries), data(slots), shape, options);
    },
    memoryAttention(queries, q, k, v, blocks, chosen, out, options = {}) {
      const name = "memoryAttention";
      const sizes = matchShapes(
        name,
        {
          queries: "f32 T Z H D",
          q: "f32 T H D",
          k: "f32 S G D",
          v: "f32 S G D",
          out: "f32 T H D",
        } as const,
        { queries, q, k, v, out },
      );
      const plan = planFor(name, blocks, { ...sizes, B: 1 });
      const scale = options.scale ?? 1 / Math.sqrt(sizes.D);
      const remembered = chosen && chosenOf(name, reach, chosen, queries);
      const [a, b, c] = [reals(q), reals(k), reals(v)];
      memoryAttention(reals(queries), a, b, c, plan, remembered, reals(out), { scale });
    },
  };
}

/** How many landmarks there are in all segments, each [P, G, D]. */
function checkSegments(operation: string, queries: Tensor, landmarks: readonly Tensor[]): number {
  checkInteger(operation, "the number of landmark segments", landmarks.length, [1, MOST]);
  const patterns = { queries: "f32 T Z H D", first: "f32 X G D", segment: "f32 P G D" } as const;
  const [first] = landmarks;
  return landmarks.reduce(
    (rows, segment) => rows + matchShapes(operation, patterns, { queries, first, segment }).P,
    0,
  );
}

function chosenOf(
  operation: string,
  { reals, indices }: Reach,
  { pool, entries, slots }: Chosen,
  queries: Tensor,
): ChosenBlocks {
  const { T, Z, C, Q } = matchShapes(
    operation,
    {
      queries: "f32 T Z H D",
      pool: "f32 C 2 M D",
      entries: "i32 Q H k",
      slots: "i32 Q H k",
    } as const,
    { queries, pool, entries, slots },
  );
  if (Q !== 1) checkInteger(operation, "the first axis of chosen.entries", Q, [T, T]);
  checkIndices(operation, "chosen.entries", indices(entries), [0, C]);
  checkIndices(operation, "chosen.slots", indices(slots), [0, Z]);
  return { pool: reals(pool), entries: indices(entries), slots: indices(slots) };
}
