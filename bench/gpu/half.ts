/**
 * Part "half": products and landmark attention of halves on tensor cores. Ways to write the kernels
 * are checked against the f32 kernels on the same device, and timed; rows "best" say which won.
 */

import {
  chosenVariant,
  forwardBytes,
  type HalfVariant,
  hasLandmarkHalf,
  takesHalf,
} from "../../src/device/gpu/landmark_attention_half.ts";
import {
  CHOSEN_KEYS,
  keysBytes,
  type KeysVariant,
} from "../../src/device/gpu/landmark_attention_half_backward.ts";
import { attentionName, type AttentionShape } from "./attention.ts";
import type { Bench } from "./bench.ts";
import {
  type Expected,
  expectedOf,
  measureBackward,
  type Measured,
  measureForward,
} from "./half_attention.ts";
import { BOUND, openHost, verdictOf } from "./half_host.ts";
import { benchHalfProducts } from "./half_products.ts";
import { fastest, wayName } from "./half_search.ts";

/** Choices of the kernels that walk over keys, for a set of queries. */
const AXES: readonly (readonly Partial<HalfVariant>[])[] = [
  [
    { subgroups: 4, rows: 16, split: false },
    { subgroups: 4, rows: 16, split: true },
    { subgroups: 8, rows: 16, split: true, turned: false },
    { subgroups: 2, rows: 16, split: false },
    { subgroups: 4, rows: 32, split: true },
    { subgroups: 2, rows: 32, split: true },
  ],
  [{ words: 1 }, { words: 4 }],
  [{ turned: false }, { turned: true }],
  [{ ahead: false }, { ahead: true }],
];
/** Choices of the one that walks over queries. */
const KEYS_AXES: readonly (readonly Partial<KeysVariant>[])[] = [
  [{ subgroups: 4 }, { subgroups: 2 }],
  [{ words: 1 }, { words: 4 }],
  [{ ahead: false }, { ahead: true }],
  [{ parts: 1 }, { parts: 2 }],
];
const BASE = { B: 1, H: 8, G: 8, D: 64, M: 64 };

/** What was found for a width. */
interface Best {
  readonly forward: HalfVariant;
  readonly queries: HalfVariant;
  readonly keys: KeysVariant;
}

/** Part "half". */
export async function benchHalf(bench: Bench): Promise<void> {
  let workgroupBytes: number;
  {
    using host = await openHost(bench);
    if (!hasLandmarkHalf(host)) {
      bench.report({
        part: "half",
        name: "tensor cores",
        note: "this GPU, or its WebGPU, has none",
      });
      return;
    }
    ({ workgroupBytes } = host.limits);
  }
  if (bench.wanted("product")) await benchHalfProducts(bench);
  const found = new Map<number, Best>();
  const { search, others } = shapesOf(bench.small);
  for (const shape of search) {
    if (!bench.wanted(attentionName(shape))) continue;
    found.set(shape.D, await searchShape(bench, shape, workgroupBytes));
  }
  for (const shape of others) {
    const best = found.get(shape.D);
    if (!bench.wanted(attentionName(shape))) continue;
    const expected = await expectedOf(bench, shape);
    const ways = best ?? {
      forward: chosenVariant("forward", shape.D),
      queries: chosenVariant("queries", shape.D),
      keys: CHOSEN_KEYS,
    };
    await benchBoth(bench, shape, expected, ways);
  }
}

/** Shapes at which ways are searched for, and those that then take the best one of their width. */
function shapesOf(small: boolean): { search: AttentionShape[]; others: AttentionShape[] } {
  if (small) return { search: [{ ...BASE, H: 2, G: 1, T: 256, D: 32 }], others: [] };
  return {
    search: [{ ...BASE, T: 8192 }, { ...BASE, T: 8192, D: 128 }],
    others: [
      ...[2048, 16384].map((T) => ({ ...BASE, T })),
      ...[16, 32, 128, 256].map((M) => ({ ...BASE, T: 8192, M })),
      { B: 32, H: 4, G: 2, T: 512, D: 64, M: 64 },
      { B: 8, H: 9, G: 3, T: 512, D: 64, M: 64 },
    ],
  };
}

/** Searches for the fastest ways at a shape, and measures them. */
async function searchShape(
  bench: Bench,
  shape: AttentionShape,
  workgroupBytes: number,
): Promise<Best> {
  const expected = await expectedOf(bench, shape);
  const { T, D, M } = shape;
  const runs = (way: HalfVariant) =>
    takesHalf({ regular: M }, { ...shape, S: T }, way) && (way.rows === 16 || D <= 64) &&
    forwardBytes(D, way) <= workgroupBytes;
  const forward = await fastest(chosenVariant("forward", D), AXES, async (variant) => {
    if (!runs(variant)) return undefined;
    const name = `forward ${attentionName(shape)}: ${wayName(variant)}`;
    return await trial(
      bench,
      shape,
      name,
      4,
      () => measureForward(bench, shape, expected, { variant }),
    );
  });
  const back = (kernel: string, way: object, options: object) =>
    trial(
      bench,
      shape,
      `${kernel} ${attentionName(shape)}: ${wayName(way)}`,
      kernel === "queries" ? 6 : 8,
      () => measureBackward(bench, shape, expected, options),
      `landmark_attention_half_${kernel}`,
    );
  const queries = await fastest(
    chosenVariant("queries", D),
    AXES,
    async (variant) => runs(variant) ? await back("queries", variant, { variant }) : undefined,
  );
  const keys = await fastest(
    CHOSEN_KEYS,
    KEYS_AXES,
    async (keysVariant) =>
      keysBytes(D, keysVariant) <= workgroupBytes
        ? await back("keys", keysVariant, { keysVariant })
        : undefined,
  );
  const best = { forward: forward.way, queries: queries.way, keys: keys.way };
  await benchBoth(bench, shape, expected, best);
  return best;
}

/** Both passes in the given ways. Operations are counted as in part "attention". */
async function benchBoth(
  bench: Bench,
  shape: AttentionShape,
  expected: Expected,
  { forward, queries, keys }: Best,
): Promise<void> {
  const name = attentionName(shape);
  await trial(
    bench,
    shape,
    `best forward ${name}: ${wayName(forward)}`,
    4,
    () => measureForward(bench, shape, expected, { variant: forward }),
  );
  await trial(
    bench,
    shape,
    `best backward ${name}: ${wayName(queries)}; ${wayName(keys)}`,
    10,
    () => measureBackward(bench, shape, expected, { variant: queries, keysVariant: keys }),
  );
}

/** Measures and reports one way; its time, or that of one of its kernels, if it is right. */
async function trial(
  bench: Bench,
  { B, H, T, D }: AttentionShape,
  name: string,
  factor: number,
  measure: () => Promise<Measured>,
  kernel?: string,
): Promise<number | undefined> {
  const row = { part: "half", name };
  try {
    const { off, ms: whole, kernels } = await measure();
    const ms = kernel === undefined ? whole : kernels[kernel].ms;
    const rate = B * H * T * (T + 1) / 2 * factor * D / ms / 1e9;
    bench.report({ ...row, ms, rate, unit: "TFLOP/s", kernels, note: verdictOf(off) });
    return off <= BOUND ? ms : undefined;
  } catch (error) {
    bench.report({ ...row, note: `does not run: ${`${error}`.slice(0, 300)}` });
    return undefined;
  }
}
