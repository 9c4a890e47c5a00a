/** The law that makes threads harmless: into how many parts work is cut, and who does which, is not seen. */
import { deepEqual } from "node:assert/strict";
import { cpuDevice } from "../../src/device/cpu/cpu_device.ts";
import { availableBuilds, compileKernels } from "../../src/device/cpu/kernels.ts";
import { createHost, type WasmHost } from "../../src/device/cpu/wasm_host.ts";
import type { Device } from "../../src/device/device.ts";
import { assertClose, EXACT } from "../close.ts";
import { randomPlan, regular } from "../plans.ts";
import { type Random, randomFrom } from "../random.ts";
import { type Results, type Scene, type Stage, stage } from "../stage.ts";
import { infiniInputs, inSegments, writtenMemory } from "./infini_cases.ts";
import { landmarkInputs } from "./landmark_cases.ts";
import { windowInputs } from "./window_cases.ts";

const BUILD = availableBuilds()[0];

/** No vector, tile or cache line fits these, and some parts get nothing. */
const [T, C] = [37, 83];

const matmuls: Scene = ({ device, input, output }) => {
  for (const [m, n, k] of [[300, 45, 19], [37, 83, 261], [2, 70, 9], [1, 1, 1], [400, 3, 5]]) {
    for (const [transposeA, transposeB] of [[false, false], [true, false], [false, true]]) {
      const a = input(transposeA ? [k, m] : [m, k]), b = input(transposeB ? [n, k] : [k, n]);
      const out = output(`out ${m} ${n} ${k} ${transposeA} ${transposeB}`, [m, n]);
      device.matmul(a, b, out, { transposeA, transposeB, accumulate: m > 300 });
    }
  }
  // Steps that are more than a page apart are gathered.
  const [a, b] = [input([70, 1031]), input([70, 141])];
  device.matmul(a, b, output("far", [1031, 141]), { transposeA: true });
};

const rows: Scene = ({ device, random, input, indices, output }) => {
  const [x, y, weight] = [input([T, C]), input([T, C]), input([C])];
  const epsilon = 1e-5;
  const targets = indices([T], random.integers(T, -1, C - 1));
  const weights = input([T]);
  device.rmsNorm(x, weight, output("norm", [T, C]), { epsilon });
  const [dX, dWeight] = [output("dX", [T, C]), output("dWeight", [C])];
  device.rmsNormBackward(x, weight, y, dX, dWeight, { epsilon });
  device.crossEntropy(x, targets, weights, output("losses", [T]));
  device.crossEntropyBackward(x, targets, weights, output("dLogits", [T, C]), { scale: 0.5 });
  const places = indices([T], random.integers(T, 0, 8));
  device.gather(x, places, output("gathered", [T, C]));
  device.gatherBackward(y, places, output("dTable", [9, C]));
  device.meanRows(x, places, output("means", [T, C]), { count: 3 });
  device.meanRowsBackward(y, places, output("dRows", [11, C]), { count: 3 });
  const [D, positions] = [10, indices([T], random.integers(T, 0, 6))];
  const rotations = input([7, D / 2, 2]);
  device.rope(input([T, 3, D]), positions, rotations, output("turned", [T, 3, D]));
};

const elements: Scene = ({ device, input, output }) => {
  const [a, b, dOut] = [input([T, C]), input([T, C]), input([T, C])];
  device.add(a, b, output("sum", [T, C]));
  device.swiGlu(a, b, output("glu", [T, C]));
  device.swiGluBackward(a, b, dOut, output("dGate", [T, C]), output("dUp", [T, C]));
  device.fill(output("filled", [T, C]), 3);
  device.copy(a, output("copied", [T, C]));
  const norm = output("norm", [1]);
  device.sumSquares(input([70_001]), norm);
  const rates = { rate: 1e-3, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.1 };
  const variance = output("variance", [T, C]);
  device.fill(variance, 0.25);
  const state = [output("mean", [T, C]), variance] as const;
  const options = { ...rates, step: 3, scale: 0.5, clip: 1 };
  device.adamW(output("weight", [T, C]), a, ...state, norm, options);
};

const landmarks: Scene = (stage) => {
  const { device, input, output, use } = stage;
  for (const [turn, T] of [53, 200, 3].entries()) {
    const [B, S, H, G, D] = [2, T === 200 ? 200 : 60, 4, 2, 20];
    const plan = turn === 0 ? randomPlan(randomFrom(3), B, S) : regular(S, 16);
    const foreign = { N: 5, lists: [[0, 4, 2, -1], [3, -1, 4, 1]] };
    const shape = { name: "parts", B, T, S, H, G, D, plan, sharpness: 1, foreign };
    const given = landmarkInputs(shape, stage);
    const { q, k, v, blocks } = given;
    const [out, top] = [output(`out ${T}`, [B, T, H, D]), use(device.tensor([B, T, H]))];
    device.landmarkAttention(q, k, v, blocks, out, top, { foreign: given.foreign });
    const gradients = {
      q: output(`dQ ${T}`, [B, T, H, D]),
      k: output(`dK ${T}`, [B, S, G, D]),
      v: output(`dV ${T}`, [B, S, G, D]),
      foreign: { keys: output(`dKeys ${T}`, [5, G, D]), values: output(`dValues ${T}`, [5, G, D]) },
    };
    const dOut = input([B, T, H, D]);
    device.landmarkAttentionBackward(q, k, v, blocks, out, top, dOut, gradients, {
      foreign: given.foreign,
    });
  }
};

const memory: Scene = (stage) => {
  const { device, random, input, indices, output, use } = stage;
  const [H, G, D, M, K, stored] = [4, 2, 12, 5, 3, 41];
  const pieces = output("pieces", [stored, G, 2, M, D], "f16");
  device.sealBlocks(input([stored * M, G, D]), input([stored * M, G, D]), pieces);
  const pool = use(device.blockPool(stored * G, { blockSize: M, headDim: D }));
  const places = indices([stored * G], Array.from({ length: stored * G }, (_, i) => i).reverse());
  device.loadBlocks(device.reshape(pieces, [stored * G, 2, M, D]), pool, places);
  for (const by of ["token", "chunk", "heads"] as const) memoryBy(by, stage, { H, G, D, K, pool });
  const order = indices([stored], random.integers(stored, 0, 49));
  const scores = output("scores", [9, H, stored]);
  device.landmarkScores(
    input([9, K + 1, H, D]),
    [input([20, G, D]), input([30, G, D])],
    order,
    scores,
  );
};

type MemoryShape = { H: number; G: number; D: number; K: number; pool: ReturnType<Stage["input"]> };

function memoryBy(
  by: "token" | "chunk" | "heads",
  { device, random, input, indices, output, use }: Stage,
  { H, G, D, K, pool }: MemoryShape,
): void {
  const [T, S, n] = [61, 75, 43];
  const shape = [by === "chunk" ? 1 : T, by === "heads" ? 1 : H, K];
  device.chooseBlocks(input([T, H, n]), output(`chosen ${by}`, shape, "i32"), { by });
  if (by === "heads") return;
  const sets = by === "token" ? T : 1;
  const entries = indices([sets, H, K], random.integers(sets * H * K, 0, 81));
  const slots = indices([sets, H, K], random.integers(sets * H * K, 0, K));
  const blocks = use(device.blocks(regular(S, 8), 1, S));
  const [k, v] = [input([S, G, D]), input([S, G, D])];
  const out = output(`out ${by}`, [T, H, D]);
  const queries = input([T, K + 1, H, D]);
  device.memoryAttention(queries, input([T, H, D]), k, v, blocks, { pool, entries, slots }, out);
}

const windows: Scene = (stage) => {
  const { device, input, output } = stage;
  for (const T of [53, 200, 3]) {
    const [B, S, H, G, D] = [2, T + 11, 4, 2, 20];
    const shape = { name: "parts", B, T, S, H, G, D, P: 40, window: 70, absent: 5, sharpness: 1 };
    const { q, k, v, options } = windowInputs(shape, stage);
    const [out, sums] = [output(`out ${T}`, [B, T, H, D]), output(`sums ${T}`, [B, T, H])];
    device.windowAttention(q, k, v, out, sums, options);
    device.windowAttentionBackward(q, k, v, out, sums, input([B, T, H, D]), {
      q: output(`dQ ${T}`, [B, T, H, D]),
      k: output(`dK ${T}`, [B, S, G, D]),
      v: output(`dV ${T}`, [B, S, G, D]),
      distances: output(`dDistances ${T}`, [40, H, D]),
      contentBias: output(`dContentBias ${T}`, [H, D]),
      positionBias: output(`dPositionBias ${T}`, [H, D]),
    }, options);
  }
  const [a, b, dOut] = [input([2, 13, C]), input([2, 24, C]), input([2, 37, C])];
  device.joinRows(a, b, output("joined", [2, 37, C]));
  device.joinRowsBackward(dOut, output("dA", a.shape), output("dB", b.shape));
};

const compressed: Scene = (stage) => {
  const { device, random, input, output } = stage;
  const [B, T, H, G, D] = [1, 130, 4, 2, 24];
  for (const update of ["linear", "delta"] as const) {
    const options = { update };
    const segments = [inSegments(T, 50)];
    const shape = { name: "parts", B, T, H, G, D, segments, options };
    const { q, k, v, local, gate, segments: list, initial, before } = infiniInputs(shape, stage);
    const given = [q, k, v, local, gate, list, initial, before] as const;
    const memories = output(`memories ${update}`, [B, segments[0].length, G, D, D + 1]);
    device.infiniAttention(...given, output(`out ${update}`, [B, T, H, D]), memories, options);
    const [dOut, dAfter] = [input([B, T, H, D]), input([B, G, D, D + 1])];
    device.infiniAttentionBackward(...given, memories, dOut, dAfter, {
      q: output(`dQ ${update}`, [B, T, H, D]),
      k: output(`dK ${update}`, [B, T, G, D]),
      v: output(`dV ${update}`, [B, T, G, D]),
      local: output(`dLocal ${update}`, [B, T, H, D]),
      gate: output(`dGate ${update}`, [H]),
      initial: output(`dInitial ${update}`, [G, D, D + 1]),
      before: output(`dBefore ${update}`, [B, G, D, D + 1]),
    }, options);
    const memory = output(`memory ${update}`, [G, D, D + 1]);
    device.write(memory, writtenMemory(random, G, D));
    const remainder = output(`remainder ${update}`, [G, D, D + 1]);
    device.fill(remainder, 0);
    device.infiniWrite(input([T, G, D]), input([T, G, D]), memory, remainder, options);
    const answer = output(`read ${update}`, [T, H, D]);
    device.infiniRead(input([T, H, D]), input([T, H, D]), gate, memory, answer, options);
  }
};

const SCENES = { matmuls, rows, elements, landmarks, memory, windows, compressed };

/** A device that cuts all work in so many parts, whatever it is, and notes which kernels were. */
function cutting(host: WasmHost, parts: number, cut = new Set<string>()): Device {
  const { run } = host;
  Object.assign(host, {
    partsOf: () => parts,
    run(parts: number, kernel: string, ...args: number[]): void {
      cut.add(kernel);
      run(parts, kernel, ...args);
    },
  });
  return cpuDevice(host, "cutting", {});
}

async function hostOf(threads: number): Promise<WasmHost> {
  const shared = threads > 1;
  return await createHost(await compileKernels(BUILD, shared), { threads, shared });
}

/** What every scene gives where nothing is cut. */
const expected = new Map<string, Results>();
for (const [name, scene] of Object.entries(SCENES)) {
  using device = cpuDevice(await hostOf(1), "alone", {});
  expected.set(name, await stage(device, scene));
}

async function assertSame(device: Device, label: string): Promise<void> {
  for (const [name, scene] of Object.entries(SCENES)) {
    const results = await stage(device, scene);
    for (const [output, numbers] of expected.get(name)!) {
      assertClose(results.get(output)!, numbers, EXACT, `${output} of ${name}, ${label}`);
    }
  }
}

for (const threads of [1, 2, 3, 5]) {
  Deno.test(`every kernel gives the same bits on ${threads} threads`, async () => {
    for (const parts of [threads, 3 * threads + 1]) {
      using device = cutting(await hostOf(threads), parts);
      await assertSame(device, `${parts} parts`);
    }
  });
}

/** Runs parts in an order of its own, as threads may. */
function shuffling(host: WasmHost, random: Random): WasmHost {
  return Object.assign(host, {
    run(parts: number, kernel: string, ...args: number[]): void {
      const order = Array.from({ length: parts }, (_, part) => ({ part, at: random.uniform() }));
      order.sort((a, b) => a.at - b.at);
      for (const { part } of order) host.call(kernel, part, parts, ...args);
    },
  });
}

for (const parts of [2, 7, 16, 64]) {
  Deno.test(`every kernel gives the same bits from ${parts} parts in any order`, async () => {
    const random = randomFrom(parts);
    using device = cutting(shuffling(await hostOf(1), random), parts);
    await assertSame(device, `${parts} parts, seed ${random.seed}`);
  });
}

Deno.test("the scenes above cut every kernel that takes parts", async () => {
  const cut = new Set<string>();
  using device = cutting(await hostOf(1), 2, cut);
  await assertSame(device, "2 parts");
  const module = await compileKernels(BUILD, false);
  const exported = WebAssembly.Module.exports(module).map(({ name }) => name);
  const folder = new URL("../../asm/", import.meta.url);
  const sources = Array.from(Deno.readDirSync(folder), ({ name }) => name)
    .map((name) => Deno.readTextFileSync(new URL(name, folder)));
  const takers = sources.flatMap((source) =>
    Array.from(source.matchAll(/^export function (\w+)\(\s*part: u32/gm), ([, name]) => name)
  );
  // This one takes its turn whole, between two that are cut.
  cut.add("infiniBackNormalizers");
  deepEqual([...cut].sort(), takers.filter((name) => exported.includes(name)).sort());
});
