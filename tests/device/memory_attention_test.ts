import { throws } from "node:assert/strict";
import type { BlockPlan, Device, Tensor } from "../../src/device/device.ts";
import { assertClose, EXACT, type Tolerance } from "../close.ts";
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
};

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
  { T: 12, S: 30, plan: landmarksAt(30, [0, 7, 8, 20, 29]) },
  { T: 30, S: 30, plan: landmarksAt(30, [0, 1, 2, 29]), dtype: "f16" },
  { T: 30, S: 30, plan: landmarksAt(30, []) },
  { T: 50, S: 70, shared: true, plan: randomPlan(randomFrom(1), 1, 70) },
];

for (const given of CASES) {
  const testCase = { ...USUAL, ...given };
  const { T, S, H, G, D, M, K, k, shared, dtype, plan = regular(S, M) } = testCase;
  const { plan: _, ...rest } = testCase;
  const name = JSON.stringify(rest);
  testLikeReference(
    `memoryAttention() ${name}`,
    ({ device, random, input, indices, output, use }) => {
      const stored = 7;
      const pieces = use(device.tensor([stored, G, 2, M, D], { dtype }));
      device.sealBlocks(input([stored * M, G, D]), input([stored * M, G, D]), pieces);
      const pool = use(device.blockPool(stored * G + 2, { blockSize: M, headDim: D }));
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

const CLOSE: Tolerance = { atol: 2e-6, rtol: 1e-5 };

/** Keys and values of n blocks of M and a section after them, and queries for all of it. */
function text(device: Device, stack: DisposableStack, seed: number) {
  const [n, M, S, T, H, G, D] = [3, 5, 13, 13, 4, 2, 8];
  const random = randomFrom(seed);
  const all = n * M + S;
  const made = (shape: number[], size: number) =>
    stack.use(device.tensor(shape, { data: random.normal(size) }));
  const k = made([all, G, D], all * G * D);
  const v = made([all, G, D], all * G * D);
  const q = made([T, H, D], T * H * D);
  return { n, M, S, T, H, G, D, all, k, v, q };
}

type Text = ReturnType<typeof text>;

/** What dense landmark attention makes of it. */
async function dense(device: Device, { M, T, H, G, D, all, k, v, q }: Text): Promise<number[]> {
  using blocks = device.blocks(regular(all, M), 1, all);
  using out = device.tensor([1, T, H, D]);
  using top = device.tensor([1, T, H]);
  const whole = (x: Tensor, heads: number) => device.reshape(x, [1, x.shape[0], heads, D]);
  device.landmarkAttention(whole(q, H), whole(k, G), whole(v, G), blocks, out, top);
  return Array.from(await device.read(out));
}

/** A pool that holds the first n blocks, head g of block b at entry b·G + g. */
function poolOf(
  device: Device,
  stack: DisposableStack,
  { n, M, G, D }: Text,
  k: Tensor,
  v: Tensor,
): Tensor {
  using pieces = device.tensor([n, G, 2, M, D]);
  device.sealBlocks(device.view(k, 0, n * M), device.view(v, 0, n * M), pieces);
  const pool = stack.use(device.blockPool(n * G, { blockSize: M, headDim: D }));
  const data = Int32Array.from({ length: n * G }, (_, i) => i);
  using entries = device.tensor([n * G], { dtype: "i32", data });
  device.loadBlocks(device.reshape(pieces, [n * G, 2, M, D]), pool, entries);
  return pool;
}

/** Sets [1, H, k]: the given blocks for every head, in the given slots. */
function sets(
  device: Device,
  stack: DisposableStack,
  { H, G }: Text,
  blocks: readonly number[],
  slots: readonly number[],
): { entries: Tensor; slots: Tensor } {
  const heads = Array.from({ length: H }, (_, h) => Math.floor(h / (H / G)));
  const tensor = (data: number[]) =>
    stack.use(device.tensor([1, H, blocks.length], { dtype: "i32", data }));
  return {
    entries: tensor(heads.flatMap((g) => blocks.map((b) => b * G + g))),
    slots: tensor(heads.flatMap(() => [...slots])),
  };
}

testOnEach(
  "memoryAttention() with every block chosen is dense landmark attention",
  async (device) => {
    using stack = new DisposableStack();
    const all = text(device, stack, 1);
    const { n, M, S, T, H, D, k, v, q } = all;
    const pool = poolOf(device, stack, all, k, v);
    // Without positions a query looks the same from every slot.
    const slots = n + 1;
    using queries = device.tensor([T, slots, H, D]);
    for (let t = 0; t < T; t++) {
      const row = device.view(device.reshape(queries, [T * slots, H, D]), t * slots, slots);
      for (let s = 0; s < slots; s++) device.copy(device.view(q, t, 1), device.view(row, s, 1));
    }
    using out = device.tensor([T, H, D]);
    using blocks = device.blocks(regular(S, M), 1, S);
    const [section, values] = [device.view(k, n * M, S), device.view(v, n * M, S)];
    const expected = await dense(device, all);
    for (const order of [[0, 1, 2], [2, 0, 1]]) {
      const chosen = { pool, ...sets(device, stack, all, order, order.map((b) => b + 1)) };
      device.memoryAttention(queries, q, section, values, blocks, chosen, out);
      assertClose(await device.read(out), expected, CLOSE, `blocks ${order}`);
    }
  },
);

testOnEach(
  "memoryAttention() at stingy positions is dense attention at true ones",
  async (device) => {
    using stack = new DisposableStack();
    const all = text(device, stack, 2);
    const { n, M, S, T, H, D, k, v, q } = all;
    const [K, slots] = [n, n + 1];
    const angle = (p: number, i: number) => p * 50 ** (-2 * i / D);
    const table = Array.from(
      { length: slots * M + S },
      (_, p) =>
        Array.from({ length: D / 2 }, (_, i) => [Math.cos(angle(p, i)), Math.sin(angle(p, i))]),
    );
    const rotations = stack.use(
      device.tensor([table.length, D / 2, 2], { data: table.flat(2) }),
    );
    const turned = (x: Tensor, positions: number[]): Tensor => {
      const at = stack.use(device.tensor([positions.length], { dtype: "i32", data: positions }));
      const out = stack.use(device.tensor(x.shape));
      device.rope(x, at, rotations, out);
      return out;
    };
    const upTo = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);

    // Dense: block b stands where slot b + 1 does, the section after the last slot.
    const expected = await dense(device, {
      ...all,
      k: turned(k, upTo(n * M + S, M)),
      q: turned(q, upTo(T, slots * M + S - T)),
    });

    // From memory: keys at 0 … M − 1 of their block, the queries as seen from each slot.
    const seen = upTo(T).flatMap((t) => upTo(slots).map((s) => (slots - s) * M + S - T + t));
    const rows = stack.use(device.tensor([T * slots], {
      dtype: "i32",
      data: upTo(T).flatMap((t) => upTo(slots).map(() => t)),
    }));
    const repeated = stack.use(device.tensor([T * slots, H, D]));
    device.gather(q, rows, repeated);
    const queries = device.reshape(turned(repeated, seen), [T, slots, H, D]);
    const local = turned(k, [...upTo(n).flatMap(() => upTo(M)), ...upTo(S, slots * M)]);
    const pool = poolOf(device, stack, all, local, v);
    const chosen = { pool, ...sets(device, stack, all, upTo(n), upTo(K, 1)) };
    const blocks = stack.use(device.blocks(regular(S, M), 1, S));
    using out = device.tensor([T, H, D]);
    const [section, values] = [device.view(local, n * M, S), device.view(v, n * M, S)];
    device.memoryAttention(
      queries,
      turned(q, upTo(T, slots * M + S - T)),
      section,
      values,
      blocks,
      chosen,
      out,
    );
    assertClose(await device.read(out), expected, { atol: 5e-6, rtol: 1e-5 }); // rounded rotations
  },
);

testOnEach(
  "memoryAttention() without chosen blocks is landmark attention of the section",
  async (device) => {
    using stack = new DisposableStack();
    const all = text(device, stack, 3);
    const { T, H, D, all: S, k, v, q, M } = all;
    using queries = device.tensor([T, 2, H, D]);
    using out = device.tensor([T, H, D]);
    using blocks = device.blocks(regular(S, M), 1, S);
    device.memoryAttention(queries, q, k, v, blocks, undefined, out);
    assertClose(await device.read(out), await dense(device, all), CLOSE);
  },
);

testOnEach("memoryAttention() for one token is what it is among others", async (device) => {
  using stack = new DisposableStack();
  const all = text(device, stack, 4);
  const { n, M, S, T, H, D, k, v, q } = all;
  const random = randomFrom(9);
  const pool = poolOf(device, stack, all, k, v);
  const chosen = { pool, ...sets(device, stack, all, [0, 2], [0, 3]) };
  using queries = device.tensor([T, 4, H, D], { data: random.normal(T * 4 * H * D) });
  using together = device.tensor([T, H, D]);
  using alone = device.tensor([T, H, D]);
  const [section, values] = [device.view(k, n * M, S), device.view(v, n * M, S)];
  using blocks = device.blocks(regular(S, M), 1, S);
  device.memoryAttention(queries, q, section, values, blocks, chosen, together);
  for (let t = 0; t < T; t++) {
    const end = S - T + t + 1;
    using own = device.blocks(regular(end, M), 1, end);
    const row = (x: Tensor) => device.view(x, t, 1);
    const first = (x: Tensor) => device.view(x, 0, end);
    device.memoryAttention(
      row(queries),
      row(q),
      first(section),
      first(values),
      own,
      chosen,
      row(alone),
    );
  }
  assertClose(await device.read(alone), await device.read(together), CLOSE);
});

testOnEach("loadBlocks() replaces the entries it names, and no other", async (device) => {
  using stack = new DisposableStack();
  const all = text(device, stack, 5);
  const { M, S, T, H, G, D, n, k, v, q } = all;
  const pool = poolOf(device, stack, all, k, v);
  const chosen = { pool, ...sets(device, stack, all, [0, 1], [1, 2]) };
  using queries = device.tensor([T, 4, H, D], { data: randomFrom(8).normal(T * 4 * H * D) });
  using blocks = device.blocks(regular(S, M), 1, S);
  const section = [device.view(k, n * M, S), device.view(v, n * M, S)] as const;
  const read = async (): Promise<number[]> => {
    using out = device.tensor([T, H, D]);
    device.memoryAttention(queries, q, ...section, blocks, chosen, out);
    return Array.from(await device.read(out));
  };
  const before = await read();
  using pieces = device.tensor([G, 2, M, D], { data: randomFrom(7).normal(G * 2 * M * D) });
  const replace = (block: number) => {
    const data = Array.from({ length: G }, (_, g) => block * G + g);
    using entries = device.tensor([G], { dtype: "i32", data });
    device.loadBlocks(pieces, pool, entries);
  };
  replace(2);
  assertClose(await read(), before, EXACT);
  replace(1);
  const after = await read();
  throws(() => assertClose(after, before, { atol: 1e-2, rtol: 0 }));
});

testOnEach("memoryAttention() refuses what does not fit", (device) => {
  using stack = new DisposableStack();
  const { T, H, D, k, v, q, all, M } = text(device, stack, 6);
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
