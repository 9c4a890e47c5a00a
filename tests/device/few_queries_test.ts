import { type Device, sizeOf, type Tensor } from "../../src/device/device.ts";
import { assertClose, EXACT, type Tolerance } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { regular } from "../plans.ts";
import { randomFrom } from "../random.ts";

// Few queries take another way through the kernels than many do. On the CPU results do not depend on
// it to the last bit: near ties in a choice of blocks would fall differently otherwise, and so a text
// would be read differently by how calls cut it. On a GPU the two ways sum in another order, as each
// must to keep the GPU busy: there near ties are as they fall.
const sameBits = ({ info }: Device): Tolerance =>
  info.kind === "gpu" ? { atol: 2e-6, rtol: 2e-6 } : EXACT;

const [S, H, G, D] = [70, 4, 2, 40];

for (const few of [1, 8]) {
  testOnEach(
    `landmarkAttention() gives ${few} queries what they get among 70`,
    async (device) => {
      using stack = new DisposableStack();
      const random = randomFrom(few);
      const make = (...shape: number[]): Tensor =>
        stack.use(device.tensor(shape, { data: random.normal(sizeOf(shape)) }));
      const [k, v] = [make(1, S, G, D), make(1, S, G, D)];
      const [q, out, top] = [make(S, H, D), make(S, H, D), make(S, H)];
      const [outFew, topFew] = [make(1, few, H, D), make(1, few, H)];
      const blocks = stack.use(device.blocks(regular(S, 13), 1, S));
      const one = (x: Tensor): Tensor => device.reshape(x, [1, ...x.shape]);
      const last = (x: Tensor): Tensor => device.view(x, S - few, few);

      device.landmarkAttention(one(q), k, v, blocks, one(out), one(top));
      device.landmarkAttention(one(last(q)), k, v, blocks, outFew, topFew);
      assertClose(await device.read(outFew), await device.read(last(out)), sameBits(device), "out");
      assertClose(await device.read(topFew), await device.read(last(top)), sameBits(device), "top");
    },
  );
}

testOnEach(
  "memoryAttention() gives the same by shared sets and by equal ones",
  async (device) => {
    using stack = new DisposableStack();
    const random = randomFrom(3);
    const [T, M, K, entries] = [20, 13, 3, [1, 4, 2, 0, 3, 1, 2, 2, 4, 0, 1, 3]];
    const make = (...shape: number[]): Tensor =>
      stack.use(device.tensor(shape, { data: random.normal(sizeOf(shape)) }));
    const indices = (shape: number[], data: readonly number[]): Tensor =>
      stack.use(device.tensor(shape, { dtype: "i32", data }));
    const pool = stack.use(device.blockPool(5, { blockSize: M, headDim: D }));
    device.loadBlocks(make(5, 2, M, D), pool, indices([5], [0, 1, 2, 3, 4]));
    const blocks = stack.use(device.blocks(regular(S, M), 1, S));
    const [k, v, queries, q] = [make(S, G, D), make(S, G, D), make(T, K + 1, H, D), make(T, H, D)];

    const results = [1, T].map((sets) => {
      const all = Array.from({ length: sets }, () => entries).flat();
      const slots = all.map((_, i) => 1 + i % K);
      const shape = [sets, H, K];
      const chosen = { pool, entries: indices(shape, all), slots: indices(shape, slots) };
      const out = make(T, H, D);
      device.memoryAttention(queries, q, k, v, blocks, chosen, out);
      return out;
    });
    assertClose(await device.read(results[1]), await device.read(results[0]), sameBits(device));
  },
);

testOnEach("landmarkScores() gives a query the bits it gets among others", async (device) => {
  using stack = new DisposableStack();
  const random = randomFrom(4);
  const [T, K, n] = [7, 3, 50];
  const make = (...shape: number[]): Tensor =>
    stack.use(device.tensor(shape, { data: random.normal(sizeOf(shape)) }));
  const [queries, scores, alone] = [make(T, K + 1, H, D), make(T, H, n), make(1, H, n)];
  const segments = [make(n - 20, G, D), make(20, G, D)];
  const data = Array.from({ length: n }, (_, j) => j);
  const order = stack.use(device.tensor([n], { dtype: "i32", data }));
  device.landmarkScores(queries, segments, order, scores);
  device.landmarkScores(device.view(queries, T - 1, 1), segments, order, alone);
  assertClose(await device.read(alone), await device.read(device.view(scores, T - 1, 1)), EXACT);
});
