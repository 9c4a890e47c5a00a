import { throws } from "node:assert/strict";
import type { Device, Tensor } from "../../src/device/device.ts";
import { assertClose, EXACT, type Tolerance } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { regular } from "../plans.ts";
import { randomFrom } from "../random.ts";

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
