import { throws } from "node:assert/strict";
import type { BlockPlan } from "../../src/device/device.ts";
import { testLikeReference, testOnEach } from "../devices.ts";
import { landmarksAt, randomPlan, regular } from "../plans.ts";
import { type Random, randomFrom } from "../random.ts";

/** T queries at the end of S keys; k of K + 1 slots filled from a pool of M-token blocks. */
interface MemoryCase {
  T: number;
  S: number;
  H: number;
  G: number;
  D: number;
  M: number;
  K: number;
  k: number;
  /** One set for all tokens. */
  shared: boolean;
  dtype: "f32" | "f16";
  /** Of the pool. */
  storage: "f32" | "f16";
  plan?: BlockPlan;
}

const USUAL: MemoryCase = {
  T: 9,
  S: 20,
  H: 2,
  G: 1,
  D: 16,
  M: 8,
  K: 4,
  k: 3,
  shared: false,
  dtype: "f32",
  storage: "f32",
};

/** Pieces of a pool of halves are rounded before any device has them. */
const HALVES = { dtype: "f16", storage: "f16" } as const;

const CASES: readonly Partial<MemoryCase>[] = [
  ...[1, 2, 5, 6, 7, 8, 9, 48, 49, 63, 64, 65].map((T) => ({ T, S: T + 3 })),
  ...[1, 7, 64, 65].map((T) => ({ T, S: T, shared: true })),
  ...[2, 3, 7, 16, 47, 48, 49, 63, 64, 65, 130].map((M) => ({ M })),
  ...[1, 2, 5, 8, 24, 40, 64, 128].map((D) => ({ D, shared: D > 30 })),
  ...([[1, 1], [4, 2], [6, 2], [3, 3]] as const).map(([H, G]) => ({ H, G })),
  ...[1, 2, 4].map((k) => ({ k, shared: true })),
  { T: 1, S: 1, H: 4, G: 2, D: 64, M: 64, K: 4, k: 4, dtype: "f16" },
  { T: 64, S: 192, H: 4, G: 2, D: 64, M: 64, K: 4, k: 4, dtype: "f16", shared: true },
  { T: 64, S: 100, H: 4, G: 2, D: 64, M: 64, K: 4, k: 4, dtype: "f16" },
  { D: 40, M: 40, ...HALVES },
  // Logits of chosen blocks are so many that a tile on the CPU takes fewer queries: 15, 5.
  { T: 33, S: 40, D: 8, M: 1024, k: 4, shared: true },
  { T: 12, D: 4, M: 1100, K: 7, k: 7, shared: true },
  // Rows of a GPU's quads that are as wide as a small subgroup, twice as wide, and a workgroup.
  { T: 3, S: 130, H: 4, G: 2, D: 64, M: 64, ...HALVES },
  { T: 3, S: 130, H: 4, G: 2, D: 64, M: 64 },
  { T: 3, D: 128, M: 65, k: 1, ...HALVES },
  { T: 3, D: 256, M: 9 },
  { T: 3, D: 260, M: 9 },
  // No whole quads.
  { T: 3, S: 130, H: 4, G: 2, D: 66, M: 64, ...HALVES },
  { D: 36, ...HALVES },
  { D: 5, M: 9, ...HALVES },
  { T: 12, S: 30, plan: landmarksAt(30, [0, 7, 8, 20, 29]) },
  { T: 30, S: 30, plan: landmarksAt(30, [0, 1, 2, 29]), dtype: "f16" },
  { T: 30, S: 30, plan: landmarksAt(30, []) },
  { T: 50, S: 70, shared: true, plan: randomPlan(randomFrom(1), 1, 70) },
];

for (const given of CASES) {
  const testCase = { ...USUAL, ...given };
  const { T, S, H, G, D, M, K, k, shared, dtype, storage, plan = regular(S, M) } = testCase;
  const { plan: _, ...rest } = testCase;
  const name = JSON.stringify(rest);
  testLikeReference(
    `memoryAttention() ${name}`,
    ({ device, random, input, indices, output, use }) => {
      const stored = 7;
      const pieces = use(device.tensor([stored, G, 2, M, D], { dtype }));
      device.sealBlocks(input([stored * M, G, D]), input([stored * M, G, D]), pieces);
      const pool = use(device.blockPool(stored * G + 2, { blockSize: M, headDim: D, storage }));
      // Piece (n, g) goes to entry n·G + g + 1.
      const places = Int32Array.from({ length: stored * G }, (_, i) => i + 1);
      const flat = device.reshape(pieces, [stored * G, 2, M, D]);
      device.loadBlocks(flat, pool, indices([stored * G], places));
      const sets = chooseAtRandom(random, { rows: shared ? 1 : T, H, G, K, k, stored });
      const shape = [shared ? 1 : T, H, k];
      device.memoryAttention(
        input([T, K + 1, H, D]),
        input([T, H, D]),
        input([S, G, D]),
        input([S, G, D]),
        use(device.blocks(plan, 1, S)),
        { pool, entries: indices(shape, sets.entries), slots: indices(shape, sets.slots) },
        output("out", [T, H, D]),
        T === 2 ? { scale: 0.5 } : {},
      );
    },
    { atol: 2e-6, rtol: 1e-5 },
  );
}

/** k blocks by time for each row and head, in k of the slots, rising. */
function chooseAtRandom(
  random: Random,
  { rows, H, G, K, k, stored }: Record<"rows" | "H" | "G" | "K" | "k" | "stored", number>,
): { entries: number[]; slots: number[] } {
  const some = (count: number, of: number): number[] =>
    Array.from({ length: of }, (_, i) => [random.uniform(), i])
      .sort(([a], [b]) => a - b).slice(0, count).map(([, i]) => i).sort((a, b) => a - b);
  const entries: number[] = [];
  const slots: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let h = 0; h < H; h++) {
      const g = Math.floor(h / (H / G));
      entries.push(...some(k, stored).map((n) => n * G + g + 1));
      slots.push(...some(k, K + 1));
    }
  }
  return { entries, slots };
}

testOnEach("memoryAttention() refuses what does not fit", (device) => {
  using stack = new DisposableStack();
  const { T, H, D, all, M } = { T: 5, H: 4, D: 8, all: 12, M: 5 };
  const q = stack.use(device.tensor([T, H, D]));
  const k = stack.use(device.tensor([all, 2, D]));
  const v = stack.use(device.tensor([all, 2, D]));
  const blocks = stack.use(device.blocks(regular(all, M), 1, all));
  const other = stack.use(device.blocks(regular(M, M), 1, M));
  const queries = stack.use(device.tensor([T, 4, H, D]));
  const narrow = stack.use(device.tensor([T, 4, H, D - 1]));
  const pool = stack.use(device.blockPool(3, { blockSize: M, headDim: D }));
  const sets = (rows: number, count: number) =>
    stack.use(device.tensor([rows, H, count], { dtype: "i32" }));
  const wrong = { name: "RangeError", message: /memoryAttention/ };
  const chosen = { pool, entries: sets(1, 2), slots: sets(1, 3) };
  throws(() => device.memoryAttention(narrow, q, k, v, blocks, undefined, q), wrong);
  throws(() => device.memoryAttention(queries, q, k, v, other, undefined, q), wrong);
  throws(() => device.memoryAttention(queries, q, k, v, blocks, chosen, q), wrong);
  const rows = { pool, entries: sets(2, 2), slots: sets(2, 2) };
  throws(() => device.memoryAttention(queries, q, k, v, blocks, rows, q), wrong);
  const outside = { pool, entries: sets(1, 2), slots: sets(1, 2) };
  device.fill(outside.entries, 3);
  throws(() => device.memoryAttention(queries, q, k, v, blocks, outside, q), wrong);
  device.fill(outside.entries, 0);
  device.fill(outside.slots, 4);
  throws(() => device.memoryAttention(queries, q, k, v, blocks, outside, q), wrong);
});
