import { equal, throws } from "node:assert/strict";
import type { Device, InfiniUpdate, Tensor } from "../../src/device/device.ts";
import { FROM_INITIAL, READS_NOTHING } from "../../src/device/infini.ts";
import { assertClose, EXACT } from "../close.ts";
import { testOnEach } from "../devices.ts";
import { type Random, randomFrom } from "../random.ts";
import { inSegments, writtenMemory } from "./infini_cases.ts";

const UPDATES = ["linear", "delta"] as const satisfies readonly InfiniUpdate[];
/** Of whole segments read twice, summed up in another order. */
const CLOSE = { atol: 2e-6, rtol: 1e-5 };

/** One row of tokens: q and local [T, H, D], k and v [T, G, D]. */
interface Row {
  readonly T: number;
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly q: Float64Array;
  readonly local: Float64Array;
  readonly k: Float64Array;
  readonly v: Float64Array;
  readonly gate: Float64Array;
  /** What is in front of the first segment, [G, D, D + 1]. */
  readonly before: Float64Array;
}

function randomRow(random: Random, T: number, [H, G, D]: readonly [number, number, number]): Row {
  const [q, local] = [random.normal(T * H * D), random.normal(T * H * D)];
  const [k, v] = [random.normal(T * G * D), random.normal(T * G * D)];
  return {
    ...{ T, H, G, D, q, local, k, v },
    gate: random.normal(H),
    before: writtenMemory(random, G, D),
  };
}

/** What a row gives: out [T, H, D], and the last memory [G, D, D + 1]. */
async function attend(
  device: Device,
  { T, H, G, D, q, local, k, v, gate, before }: Row,
  segments: readonly (readonly [number, number, number])[],
  update: InfiniUpdate,
): Promise<{ out: ArrayLike<number>; memory: ArrayLike<number> }> {
  using stack = new DisposableStack();
  const make = (shape: number[], data?: Float64Array): Tensor =>
    stack.use(device.tensor(shape, data && { data }));
  const S = segments.length;
  const list = stack.use(device.tensor([1, S, 3], { dtype: "i32", data: segments.flat() }));
  const memories = make([1, S, G, D, D + 1]);
  const out = make([1, T, H, D]);
  device.infiniAttention(
    ...[make([1, T, H, D], q), make([1, T, G, D], k), make([1, T, G, D], v)] as const,
    ...[make([1, T, H, D], local), make([H], gate), list] as const,
    ...[make([G, D, D + 1]), make([1, G, D, D + 1], before), out, memories] as const,
    { update },
  );
  const size = G * D * (D + 1);
  const all = await device.read(memories);
  return { out: await device.read(out), memory: all.subarray((S - 1) * size) };
}

/** Tokens first … end − 1 of a row. */
function cut(row: Row, first: number, end: number): Row {
  const { H, G, D, q, local, k, v } = row;
  const of = (x: Float64Array, heads: number) => x.subarray(first * heads * D, end * heads * D);
  const [T, near] = [end - first, of(local, H)];
  return { ...row, T, q: of(q, H), local: near, k: of(k, G), v: of(v, G) };
}

for (const update of UPDATES) {
  testOnEach(`infiniAttention() does not ask where a segment is, ${update}`, async (device) => {
    const row = randomRow(randomFrom(1), 40, [2, 1, 24]);
    const here = await attend(device, cut(row, 9, 40), [[0, 11, 0], [11, 31, 0]], update);
    // Behind padding, and segments without tokens.
    const segments = [[0, 0, 0], [9, 20, 0], [5, 5, 0], [20, 40, 0]] as const;
    const there = await attend(device, row, segments, update);
    const at = 9 * row.H * row.D;
    assertClose(Array.from(there.out).slice(at), here.out, CLOSE, "out");
    assertClose(Array.from(there.out).slice(0, at), new Array(at).fill(0), EXACT, "padding");
    assertClose(there.memory, here.memory, CLOSE, "memory");
  });

  testOnEach(`infiniAttention() keeps documents apart, ${update}`, async (device) => {
    const row = randomRow(randomFrom(2), 50, [2, 2, 24]);
    const start = FROM_INITIAL + READS_NOTHING;
    const both = [[0, 20, start], [20, 23, 0], [23, 40, start], [40, 50, 0]] as const;
    const packed = await attend(device, row, both, update);
    const alone = await attend(device, cut(row, 23, 50), [[0, 17, start], [17, 27, 0]], update);
    assertClose(Array.from(packed.out).slice(23 * 2 * 24), alone.out, CLOSE, "out");
    assertClose(packed.memory, alone.memory, CLOSE, "memory");
  });

  testOnEach(
    `infiniAttention() reads nothing of a segment's own tokens, ${update}`,
    async (device) => {
      const row = randomRow(randomFrom(3), 30, [1, 1, 24]);
      const other = { ...row, k: row.k.slice(), v: row.v.slice() };
      for (let i = 10 * 24; i < 20 * 24; i++) other.k[i] = -other.v[i], other.v[i] = 1;
      const segments = inSegments(30, 10);
      const [a, b] = [
        await attend(device, row, segments, update),
        await attend(device, other, segments, update),
      ];
      const [before, after] = [a, b].map(({ out }) => Array.from(out));
      assertClose(after.slice(0, 20 * 24), before.slice(0, 20 * 24), EXACT, "up to its end");
      const same = after.slice(20 * 24).filter((x, i) => x === before[20 * 24 + i]).length;
      equal(same < 10, true, `${same} numbers behind it did not change`);
    },
  );

  testOnEach(
    `infiniAttention() of shared memories is that of repeated ones, ${update}`,
    async (device) => {
      const [T, D] = [33, 24];
      const row = randomRow(randomFrom(4), T, [4, 2, D]);
      const twice = (x: Float64Array, length: number) =>
        Float64Array.from({ length: 2 * x.length }, (_, i) => {
          const [head, d] = [Math.floor(i / length), i % length];
          return x[(head >> 1) * length + d];
        });
      const repeated = {
        ...{ ...row, G: 4, k: twice(row.k, D), v: twice(row.v, D) },
        before: twice(row.before, D * (D + 1)),
      };
      const segments = [[0, 15, 0], [15, 33, 0]] as const;
      const shared = await attend(device, row, segments, update);
      assertClose((await attend(device, repeated, segments, update)).out, shared.out, EXACT);
    },
  );

  testOnEach(
    `infiniRead() and infiniWrite() are infiniAttention() in pieces, ${update}`,
    async (device) => {
      using stack = new DisposableStack();
      const [T, H, G, D] = [50, 2, 1, 24];
      const row = randomRow(randomFrom(5), T, [H, G, D]);
      const make = (shape: number[], data?: Float64Array): Tensor =>
        stack.use(device.tensor(shape, data && { data }));
      const [q, local] = [make([T, H, D], row.q), make([T, H, D], row.local)];
      const [k, v, gate] = [make([T, G, D], row.k), make([T, G, D], row.v), make([H], row.gate)];
      const [memory, remainder] = [make([G, D, D + 1], row.before), make([G, D, D + 1])];
      const out = make([T, H, D]);
      const ends = [0, 19, 20, 50];
      for (let s = 0; s + 1 < ends.length; s++) {
        const of = (x: Tensor) => device.view(x, ends[s], ends[s + 1] - ends[s]);
        // Tokens come one by one, and are folded in when their segment is full.
        for (let t = ends[s]; t < ends[s + 1]; t++) {
          const one = (x: Tensor) => device.view(x, t, 1);
          device.infiniRead(one(q), one(local), gate, memory, one(out), { update });
        }
        device.infiniWrite(of(k), of(v), memory, remainder, { update });
      }
      const segments = [[0, 19, 0], [19, 20, 0], [20, 50, 0]] as const;
      const whole = await attend(device, row, segments, update);
      assertClose(await device.read(out), whole.out, CLOSE, "out");
      assertClose(await device.read(memory), whole.memory, CLOSE, "memory");
    },
  );
}

testOnEach("infiniRead() does not see a factor of all that was stored", async (device) => {
  using stack = new DisposableStack();
  const [T, H, G, D] = [13, 2, 2, 24];
  const random = randomFrom(6);
  const make = (shape: number[], data: Float64Array): Tensor =>
    stack.use(device.tensor(shape, { data }));
  const rows = () => make([T, H, D], random.normal(T * H * D));
  const [q, local, out, other, gate] = [
    rows(),
    rows(),
    rows(),
    rows(),
    make([H], random.normal(H)),
  ];
  const memory = writtenMemory(random, G, D);
  const options = { update: "linear" } as const;
  device.infiniRead(q, local, gate, make([G, D, D + 1], memory), out, options);
  // A power of two, which rounds nothing.
  const scaled = make([G, D, D + 1], memory.map((x) => 1024 * x));
  device.infiniRead(q, local, gate, scaled, other, options);
  // A reference of f64 rounds where f32 does not, in inputs alone.
  assertClose(await device.read(other), await device.read(out), { atol: 1e-6, rtol: 1e-6 });
});

testOnEach("infiniWrite() by the delta rule writes what a lone key lacks", async (device) => {
  const D = 24;
  const random = randomFrom(7);
  const [key, first, second] = [0, 1, 2].map(() => random.normal(D));
  using k = device.tensor([1, 1, D], { data: key });
  using v = device.tensor([1, 1, D], { data: first });
  using memory = device.tensor([1, D, D + 1]);
  using remainder = device.tensor([1, D, D + 1]);
  const options = { update: "delta" } as const;
  /** φ(k)ᵀ · value, and φ(k) so many times. */
  const binding = (value: Float64Array, times: number) =>
    Array.from(key, (x) => x > 0 ? x + 1 : Math.exp(x))
      .flatMap((a) => [...Array.from(value, (y) => a * y), times * a]);

  device.infiniWrite(k, v, memory, remainder, options);
  assertClose(await device.read(memory), binding(first, 1), CLOSE, "the first time");
  device.infiniWrite(k, v, memory, remainder, options);
  assertClose(await device.read(memory), binding(first, 2), CLOSE, "again");
  device.write(v, second);
  device.infiniWrite(k, v, memory, remainder, options);
  // The key counts twice by now, and so gives half of what it has.
  const half = second.map((y, j) => y + first[j] / 2);
  assertClose(await device.read(memory), binding(half, 3), CLOSE, "another value");
});

testOnEach("infiniAttention() refuses segments that are none", (device) => {
  using stack = new DisposableStack();
  const make = (...shape: number[]): Tensor => stack.use(device.tensor(shape));
  const [x, gate, initial] = [make(1, 8, 2, 4), make(2), make(2, 4, 5)];
  const [before, memories] = [make(1, 2, 4, 5), make(1, 2, 2, 4, 5)];
  const attendTo = (...data: number[]) => () => {
    using segments = device.tensor([1, 2, 3], { dtype: "i32", data });
    const given = [x, x, x, x, gate, segments, initial, before] as const;
    using out = device.tensor([1, 8, 2, 4]);
    device.infiniAttention(...given, out, memories, { update: "linear" });
  };
  const wrong = (message: RegExp) => ({ name: "RangeError", message });
  throws(
    attendTo(0, 4, 0, 4, 9, 0),
    wrong(/segment 1 of row 0 .*4 ≤ first ≤ end ≤ 8.*\[4, 9, 0\]/),
  );
  throws(attendTo(0, 4, 0, 3, 8, 0), wrong(/segment 1 of row 0 .*\[3, 8, 0\]/));
  throws(attendTo(5, 4, 0, 5, 8, 0), wrong(/segment 0 of row 0 .*\[5, 4, 0\]/));
  throws(attendTo(0, 4, 4, 4, 8, 0), wrong(/segment 0 of row 0 .*kind of 0 to 3.*\[0, 4, 4\]/));
  throws(attendTo(-1, 4, 0, 4, 8, 0), wrong(/\[-1, 4, 0\]/));
});

testOnEach("Infini-attention refuses shapes and options that do not fit", (device) => {
  using stack = new DisposableStack();
  const make = (...shape: number[]): Tensor => stack.use(device.tensor(shape));
  const [q, k, gate, memory] = [make(3, 4, 8), make(3, 2, 8), make(4), make(2, 8, 9)];
  const linear = { update: "linear" } as const;
  const wrong = (message: RegExp, name = "RangeError") => ({ name, message });
  const read = (...given: [Tensor, Tensor]) => () =>
    device.infiniRead(given[0], q, gate, given[1], q, linear);
  throws(read(k, memory), wrong(/infiniRead.*\[3, 2, 8\]/));
  throws(read(q, make(2, 8, 8)), wrong(/D \+ 1 = 9: current value is 8/));
  throws(read(q, make(3, 8, 9)), wrong(/G must divide H = 4: current value is 3/));
  throws(read(q, make(2, 9, 8)), wrong(/infiniRead.*\[2, 9, 8\]/));
  const write = (options: { update: InfiniUpdate; epsilon?: number }, v = k) => () =>
    device.infiniWrite(k, v, memory, memory, options);
  throws(write(linear, q), wrong(/infiniWrite.*v must be f32 \[3, 2, 8\]/));
  throws(
    write({ update: "square" as "linear" }),
    wrong(/"linear" or "delta".*square/, "TypeError"),
  );
  for (const epsilon of [0, -1, NaN, Infinity]) {
    throws(write({ ...linear, epsilon }), wrong(new RegExp(`positive.*${epsilon}`)));
  }
});
