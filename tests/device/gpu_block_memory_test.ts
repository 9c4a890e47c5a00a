/** What only the GPU has: pools over several tensors, choices by parts, landmarks by groups. */
import { equal, throws } from "node:assert/strict";
import { type DType, sizeOf, type Tensor } from "../../src/device/device.ts";
import { openAdapter, requestAdapter } from "../../src/device/gpu/adapter.ts";
import { loadBlocks } from "../../src/device/gpu/block_memory.ts";
import { blockPool } from "../../src/device/gpu/block_pool.ts";
import { blocks } from "../../src/device/gpu/blocks.ts";
import { chooseBlocks } from "../../src/device/gpu/choose_blocks.ts";
import { createGpuHost, type WholeHost } from "../../src/device/gpu/gpu_host.ts";
import { landmarkScores } from "../../src/device/gpu/landmark_scores.ts";
import { memoryAttention } from "../../src/device/gpu/memory_attention.ts";
import { read } from "../../src/device/gpu/transfer.ts";
import { referenceDevice } from "../../src/device/reference/reference_device.ts";
import { floatsToHalves, halvesToFloats } from "../../src/half.ts";
import { assertClose, EXACT } from "../close.ts";
import { regular } from "../plans.ts";
import { randomFrom } from "../random.ts";

const adapter = await requestAdapter({});
const ignore = adapter === undefined;
const host = adapter && createGpuHost(await openAdapter(adapter), false);
const reference = referenceDevice();
globalThis.addEventListener("unload", () => host?.[Symbol.dispose]());

const [M, D, H, G, K] = [64, 64, 4, 2, 4];
/** Pieces that a tensor may hold: few, so that a pool of 18 needs four. */
const FIT = 5;

/** The host as a pool sees it where no tensor may be larger than FIT pieces. */
function narrow(host: WholeHost, dtype: DType): WholeHost {
  const tensorBytes = FIT * 2 * M * D * (dtype === "f16" ? 2 : 4);
  return { ...host, limits: { ...host.limits, tensorBytes } };
}

for (const storage of ["f16", "f32"] as const) {
  for (const { T, shared } of [{ T: 3, shared: false }, { T: 66, shared: true }]) {
    const name = JSON.stringify({ storage, T, shared });
    Deno.test(`a pool over four tensors is read as one is ${name}`, { ignore }, async () => {
      const random = randomFrom(T);
      const [S, pieces, Z] = [T + 7, 18, K + 1];
      const given = (shape: number[]) => ({ shape, data: random.normal(sizeOf(shape)) });
      const tensors = [[T, Z, H, D], [T, H, D], [S, G, D], [S, G, D]].map(given);
      const halves = Array.from(
        { length: pieces },
        () =>
          floatsToHalves(Float32Array.from(random.normal(2 * M * D)), new Uint16Array(2 * M * D)),
      );
      const sets = shared ? 1 : T;
      const shape = [sets, H, K];
      const entries = random.integers(sizeOf(shape), 0, pieces - 1);
      const slots = random.integers(sizeOf(shape), 0, K);

      const pool = blockPool(narrow(host!, storage), pieces, { blockSize: M, headDim: D, storage });
      equal(pool.segments.length, 4);
      const whole = reference.blockPool(pieces, { blockSize: M, headDim: D });
      halves.forEach((piece, i) => {
        const at = { dtype: "i32", data: [i] } as const;
        const one = host!.tensor([1, 2, M, D], { dtype: "f16", data: piece });
        loadBlocks(host!, one, pool, host!.tensor([1], at));
        const floats = halvesToFloats(piece, new Float32Array(piece.length));
        const same = reference.tensor([1, 2, M, D], { data: floats });
        reference.loadBlocks(same, whole, reference.tensor([1], at));
      });
      const i32 = (data: ArrayLike<number>) => ({
        dtype: "i32" as const,
        data: Int32Array.from(data),
      });
      const chosen = (device: Pick<typeof reference, "tensor">, pool: Tensor) => ({
        pool,
        entries: device.tensor(shape, i32(entries)),
        slots: device.tensor(shape, i32(slots)),
      });
      const [queries, q, k, v] = tensors.map(({ shape, data }) => host!.tensor(shape, { data }));
      const [a, b, c, d] = tensors.map(({ shape, data }) => reference.tensor(shape, { data }));
      const [out, expected] = [host!.tensor([T, H, D]), reference.tensor([T, H, D])];
      const plan = regular(S, M);
      memoryAttention(host!, queries, q, k, v, blocks(host!, plan, 1, S), chosen(host!, pool), out);
      reference.memoryAttention(
        ...[a, b, c, d] as [Tensor, Tensor, Tensor, Tensor],
        reference.blocks(plan, 1, S),
        chosen(reference, whole),
        expected,
      );
      const [actual, right] = [await read(host!, out), await reference.read(expected)];
      assertClose(actual, right, { atol: 2e-6, rtol: 1e-5 });
    });
  }
}

Deno.test("blockPool() refuses what four tensors do not hold", { ignore }, () => {
  throws(() => blockPool(narrow(host!, "f32"), 4 * FIT + 1, { blockSize: M, headDim: D }), {
    name: "RangeError",
    message: /at most 20 pieces.* 21\b/,
  });
});

for (
  const { n, k, levels } of [
    { n: 4096, k: 7, levels: 1 },
    { n: 4097, k: 1000, levels: 1 },
    { n: 9000, k: 64, levels: 0 },
    { n: 9000, k: 1500, levels: 3 },
    { n: 70000, k: 64, levels: 4 },
  ]
) {
  const name = JSON.stringify({ n, k, levels });
  Deno.test(`chooseBlocks() chooses by parts ${name}`, { ignore }, async () => {
    const random = randomFrom(n);
    const merits = levels === 0
      ? Float32Array.from(random.normal(n))
      : Float32Array.from(random.integers(n, 0, levels));
    const chosen = host!.tensor([1, 1, k], { dtype: "i32" });
    chooseBlocks(host!, host!.tensor([1, 1, n], { data: merits }), chosen, { by: "token" });
    const best = Array.from(merits.keys()).sort((a, b) => merits[b] - merits[a] || b - a)
      .slice(0, k).sort((a, b) => a - b);
    assertClose(await read(host!, chosen), best, EXACT);
  });
}

Deno.test("landmarkScores() takes any number of segments", { ignore }, async () => {
  const random = randomFrom(1);
  const rows = Array.from({ length: 17 }, (_, i) => 1 + 23 * (i % 4));
  const all = rows.reduce((a, b) => a + b);
  const segments = rows.map((P) => ({ shape: [P, 1, 8], data: random.normal(P * 8) }));
  const queries = { shape: [2, 3, 2, 8], options: { data: random.normal(2 * 3 * 2 * 8) } };
  const order = {
    dtype: "i32",
    data: Int32Array.from({ length: all }, (_, i) => all - 1 - i),
  } as const;
  const [scores, expected] = [host!.tensor([2, 2, all]), reference.tensor([2, 2, all])];
  landmarkScores(
    host!,
    host!.tensor(queries.shape, queries.options),
    segments.map(({ shape, data }) => host!.tensor(shape, { data })),
    host!.tensor([all], order),
    scores,
  );
  reference.landmarkScores(
    reference.tensor(queries.shape, queries.options),
    segments.map(({ shape, data }) => reference.tensor(shape, { data })),
    reference.tensor([all], order),
    expected,
  );
  const [actual, right] = [await read(host!, scores), await reference.read(expected)];
  assertClose(actual, right, { atol: 2e-6, rtol: 1e-5 });
});
