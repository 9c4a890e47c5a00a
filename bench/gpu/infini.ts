/**
 * Infini-attention, forward and backward: local attention and the memory, beside ordinary attention
 * over whole rows of the same shape; and a memory that tokens are appended to for long.
 *
 * Ordinary attention is landmark attention without landmarks. Local attention is the same within
 * segments, which are documents of a row, as a batch with documents or padding of its own needs, or
 * rows by themselves, as a batch of whole segments may be cut.
 */

import { openCpuDevice } from "../../src/device/cpu/cpu_device.ts";
import type { Device, InfiniUpdate, Tensor } from "../../src/device/device.ts";
import type { GpuDevice } from "../../src/device/gpu/gpu_device.ts";
import { FROM_INITIAL, READS_NOTHING } from "../../src/device/infini.ts";
import { appendLong } from "../../tests/device/infini_long.ts";
import { randomFrom } from "../../tests/random.ts";
import { plainKernelTime } from "./attention.ts";
import { type Bench, gpuTime, noisy, offBy, queueTime } from "./bench.ts";

/** One row of T tokens, H heads of D, in segments of N tokens. */
interface InfiniShape {
  readonly T: number;
  readonly H: number;
  readonly D: number;
  readonly N: number;
}

/** How segments are kept apart. */
type Cut = "documents" | "rows";
const CUTS = ["documents", "rows"] as const satisfies readonly Cut[];
const UPDATES = ["linear", "delta"] as const satisfies readonly InfiniUpdate[];
const WAYS = ["forward", "backward"] as const;
/** Multiplications and additions of a width, for a head and a visible pair. */
const FACTORS = { forward: 4, backward: 10 } as const;

type Way = typeof WAYS[number];
type Run = Readonly<Record<Way, () => void>>;

/** A layer's tensors, and what can be done with them. */
interface Layer {
  readonly plain: Run;
  readonly local: Readonly<Record<Cut, Run>>;
  readonly memory: Readonly<Record<InfiniUpdate, Run>>;
  /** What comes out, and the gradients. */
  readonly results: Readonly<Record<"out" | "memories" | "q" | "k" | "v" | "gate", Tensor>>;
}

/** A device that measures, or one that sends kernels as they come, and the layer on it. */
interface Place<D extends Device> {
  readonly device: D;
  readonly layer: Layer;
}

/** What the rows of the part share. */
interface Scene {
  readonly bench: Bench;
  readonly shape: InfiniShape;
  readonly timed: Place<GpuDevice>;
  readonly queued: Place<GpuDevice>;
}

/** Part "infini". */
export async function benchInfini(bench: Bench): Promise<void> {
  const shape = bench.small ? { T: 512, H: 2, D: 32, N: 128 } : { T: 32_768, H: 8, D: 64, N: 2048 };
  using stack = new DisposableStack();
  const open = async (profile: boolean): Promise<Place<GpuDevice>> => {
    const device = stack.use(await bench.open(profile));
    return { device, layer: layerOf(device, shape, stack) };
  };
  const scene = { bench, shape, timed: await open(true), queued: await open(false) };
  const plain = await benchPlain(scene);
  for (const cut of CUTS) await benchLocal(scene, cut, plain);
  for (const update of UPDATES) {
    for (const cut of CUTS) await benchLayer(scene, update, cut, plain);
  }
  for (const update of UPDATES) await checkLayer(bench, shape, update);
}

const nameOf = ({ T, H, D, N }: InfiniShape): string => `1×${H}×${T}×${D} by ${N}`;

/** Milliseconds of ordinary attention over the whole row; NaN where nobody asked for it. */
type Plain = Readonly<Record<Way, number>>;

async function benchPlain(scene: Scene): Promise<Plain> {
  const { bench, shape: { T, H, D }, timed: { layer } } = scene;
  const pairs = H * T * (T + 1) / 2;
  const name = `plain 1×${H}×${T}×${D}`;
  const backward = await benchWay(scene, `backward ${name}`, layer.plain, "backward", { pairs });
  const forward = await benchWay(scene, `forward ${name}`, layer.plain, "forward", { pairs });
  const own = `forward ${name}, kernel of its own`;
  if (!bench.wanted(own)) return { forward, backward };
  const { ms, kernels } = await plainKernelTime(bench, { B: 1, T, H, G: H, D, M: Infinity });
  const rate = pairs * FACTORS.forward * D / ms / 1e9;
  bench.report({ part: "infini", name: own, ms, rate, unit: "TFLOP/s", kernels });
  // The better one is what a layer is held against.
  return { forward: forward <= ms ? forward : ms, backward };
}

async function benchLocal(scene: Scene, cut: Cut, plain: Plain): Promise<void> {
  const { shape, timed: { layer } } = scene;
  const { T, H, N } = shape;
  for (const way of WAYS) {
    const name = `${way} local ${nameOf(shape)}, ${cut}`;
    const counted = { pairs: H * T * (N + 1) / 2, plain: plain[way] };
    await benchWay(scene, name, layer.local[cut], way, counted);
  }
}

/** Attention one way; its milliseconds. */
async function benchWay(
  { bench, shape, timed: { device } }: Scene,
  name: string,
  run: Run,
  way: Way,
  { pairs, plain = NaN }: { pairs: number; plain?: number },
): Promise<number> {
  if (!bench.wanted(name)) return NaN;
  run.forward(); // what goes back reads it
  const { ms, kernels } = await gpuTime(device, bench, run[way]);
  const rate = pairs * FACTORS[way] * shape.D / ms / 1e9;
  const note = besidePlain(ms, plain);
  const row = { part: "infini", name, ms, rate, unit: "TFLOP/s", kernels };
  bench.report({ ...row, ...(note && { note }) });
  return ms;
}

function besidePlain(ms: number, plain: number): string {
  return Number.isNaN(plain) ? "" : `${(ms / plain).toFixed(3)} of plain`;
}

/** Local attention and the memory, one after the other. */
async function benchLayer(
  { bench, shape, timed, queued }: Scene,
  update: InfiniUpdate,
  cut: Cut,
  plain: Plain,
): Promise<void> {
  for (const way of WAYS) {
    const name = `${way} layer ${nameOf(shape)}, ${update}, ${cut}`;
    if (!bench.wanted(name)) continue;
    for (const { layer } of [timed, queued]) runLayer(layer, update, cut, "forward");
    const run = ({ layer }: Place<GpuDevice>) => () => runLayer(layer, update, cut, way);
    const { ms, kernels } = await gpuTime(timed.device, bench, run(timed));
    const { out, q } = queued.layer.results;
    // A long run by itself: few rounds will do.
    const rounds = { ...bench, repeats: Math.min(3, bench.repeats) };
    const result = way === "forward" ? out : q;
    const wholeMs = await queueTime(queued.device, rounds, result, run(queued));
    const note = [besidePlain(ms, plain[way]), `${wholeMs.toFixed(3)} ms in a queue`];
    bench.report({ part: "infini", name, ms, kernels, note: note.filter(Boolean).join(", ") });
  }
}

function runLayer({ local, memory }: Layer, update: InfiniUpdate, cut: Cut, way: Way): void {
  // Each reads what the one before has written.
  const [first, second] = way === "forward"
    ? [local[cut], memory[update]]
    : [memory[update], local[cut]];
  first[way]();
  second[way]();
}

/** What a layer and its gradients may be off by, as a part of the largest number. */
const BOUND = 1e-4;

/** A whole layer, forward and back, on the GPU and on the CPU device. */
async function checkLayer(bench: Bench, shape: InfiniShape, update: InfiniUpdate): Promise<void> {
  const name = `layer ${nameOf(shape)}, ${update}, beside the CPU`;
  if (!bench.wanted(name)) return;
  const results = async (device: Device): Promise<Map<string, Float32Array>> => {
    using stack = new DisposableStack();
    const layer = layerOf(device, shape, stack);
    for (const way of WAYS) runLayer(layer, update, "documents", way);
    const read = new Map<string, Float32Array>();
    for (const [key, tensor] of Object.entries(layer.results) as [string, Tensor][]) {
      read.set(key, await device.read(tensor) as Float32Array);
    }
    return read;
  };
  using cpu = await openCpuDevice();
  using gpu = await bench.open(false);
  const [expected, actual] = [await results(cpu), await results(gpu)];
  const errors = [...expected].map(([key, numbers]) =>
    [key, offBy(actual.get(key)!, numbers)] as const
  );
  const right = errors.every(([, error]) => error <= BOUND);
  const list = errors.map(([key, error]) => `${key} ${error.toExponential(1)}`).join(", ");
  bench.report({ part: "infini", name, note: `${right ? "right" : "WRONG"}, off by: ${list}` });
}

function layerOf(device: Device, shape: InfiniShape, stack: DisposableStack): Layer {
  const { T, H, D, N } = shape;
  const rows = [1, T, H, D];
  const [q, k, v, dOut] = [1, 2, 3, 4].map((seed) => stack.use(noisy(device, rows, seed)));
  const zeros = (shape: readonly number[]): Tensor => stack.use(device.tensor(shape));
  const [local, out, dQ, dK, dV] = [0, 0, 0, 0, 0].map(() => zeros(rows));
  // Not zero, for whoever goes back through local attention alone.
  const dLocal = stack.use(noisy(device, rows, 5));
  const near = { q: dQ, k: dK, v: dV };
  const heads = { q, k, v, dOut, local, out, near, dLocal };
  const top = zeros([1, T, H]);
  const attention = (blockRows: number, document?: Int32Array): Run =>
    attentionOf(device, { ...heads, top }, { blockRows, document }, stack);
  const document = Int32Array.from({ length: T }, (_, t) => Math.floor(t / N));
  const { memories, gate, memory } = memoryOf(device, shape, heads, stack);
  return {
    plain: attention(1),
    local: { documents: attention(1, document), rows: attention(T / N) },
    memory,
    results: { out, memories, ...near, gate },
  };
}

/** Attention without landmarks, over the row, in documents, or as rows of its parts. */
function attentionOf(
  device: Device,
  { q, k, v, local, top, near, dLocal }: Heads & { readonly top: Tensor },
  { blockRows, document }: { blockRows: number; document: Int32Array | undefined },
  stack: DisposableStack,
): Run {
  const length = q.shape[1] / blockRows;
  const plan = { isLandmark: new Uint8Array(length), ...(document && { document }) };
  const blocks = stack.use(device.blocks(plan, blockRows, length));
  const cut = (x: Tensor): Tensor => device.reshape(x, [blockRows, length, ...x.shape.slice(2)]);
  const inputs = [cut(q), cut(k), cut(v), blocks, cut(local), cut(top)] as const;
  const gradients = { q: cut(near.q), k: cut(near.k), v: cut(near.v) };
  return {
    forward: () => device.landmarkAttention(...inputs),
    backward: () => device.landmarkAttentionBackward(...inputs, cut(dLocal), gradients),
  };
}

interface Heads extends Record<"q" | "k" | "v" | "dOut" | "local" | "out" | "dLocal", Tensor> {
  readonly near: Readonly<Record<"q" | "k" | "v", Tensor>>;
}

function memoryOf(
  device: Device,
  { T, H, D, N }: InfiniShape,
  { q, k, v, dOut, local, out, near, dLocal }: Heads,
  stack: DisposableStack,
) {
  const S = T / N;
  const zeros = (shape: readonly number[]): Tensor => stack.use(device.tensor(shape));
  const [gate, dGate] = [zeros([H]), zeros([H])];
  const size = [H, D, D + 1];
  const [initial, dInitial] = [zeros(size), zeros(size)];
  const [before, dBefore, dAfter] = [0, 0, 0].map(() => zeros([1, ...size]));
  const memories = zeros([1, S, ...size]);
  const table = Array.from({ length: S }, (_, s) => {
    return [s * N, (s + 1) * N, s === 0 ? FROM_INITIAL + READS_NOTHING : 0];
  });
  const segments = stack.use(device.tensor([1, S, 3], { dtype: "i32", data: table.flat() }));
  const given = [q, k, v, local, gate, segments, initial, before] as const;
  const gradients = { ...near, local: dLocal, gate: dGate, initial: dInitial, before: dBefore };
  const run = (update: InfiniUpdate): Run => ({
    forward: () => device.infiniAttention(...given, out, memories, { update }),
    backward: () =>
      device.infiniAttentionBackward(...given, memories, dOut, dAfter, gradients, { update }),
  });
  return { memories, gate: dGate, memory: { linear: run("linear"), delta: run("delta") } };
}

/** What a sum of long may be off by, and how nearly the last token must count once. */
const LONG_BOUND = 1e-3;

/** Part "long": tokens appended to a memory, k and v rounded to f16, beside a sum in f64. */
export async function benchLong(bench: Bench): Promise<void> {
  const tokens = bench.small ? 100_000 : 10_000_000;
  const segment = 8192;
  const name = `${tokens} tokens, ${segment} at a time`;
  if (!bench.wanted(name)) return;
  using device = await bench.open(false);
  const start = performance.now();
  const { worst, last } = await appendLong(device, {
    ...{ tokens, segment, D: 64 },
    random: randomFrom(1),
  });
  const ms = performance.now() - start;
  // An error that is no number is not below the bound.
  const right = worst < LONG_BOUND && Math.abs(last - 1) < LONG_BOUND;
  const note = `${right ? "right" : "WRONG"}, a sum is ${worst.toExponential(1)} off at most, ` +
    `the last token counted ${last.toFixed(6)} times`;
  bench.report({ part: "long", name, ms, rate: tokens / ms * 1000, unit: "tokens/s", note });
}
