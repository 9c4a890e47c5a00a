/** What is bound by the memory's speed: copies, the scan of landmarks, attention to chosen blocks. */

import type { Device, Tensor } from "../../src/device/device.ts";
import type { GpuDevice } from "../../src/device/gpu/gpu_device.ts";
import { type Bench, gpuTime, noise, noisy, queueTime } from "./bench.ts";

/** Part "copy": bytes read and written. */
export async function benchCopy(bench: Bench): Promise<void> {
  using plain = await bench.open(false);
  using profiled = await bench.open(true);
  for (const MiB of bench.small ? [4] : [64, 512]) {
    const bytes = MiB * 2 ** 20;
    const rows: [string, number, () => Promise<number>][] = [
      ["copy", 2, () => queued(plain, bench, bytes, (x, out) => plain.copy(x, out))],
      ["add", 3, () => timed(profiled, bench, bytes, (x, out) => profiled.add(x, out, out))],
    ];
    for (const [name, passes, measure] of rows) {
      if (!bench.wanted(`${name} ${MiB} MiB`)) continue;
      const ms = await measure();
      const rate = passes * bytes / ms / 1e6;
      bench.report({ part: "copy", name: `${name} ${MiB} MiB`, ms, rate, unit: "GB/s" });
    }
  }
}

type Work = (x: Tensor, out: Tensor) => void;

async function queued(device: Device, bench: Bench, bytes: number, work: Work): Promise<number> {
  using x = device.tensor([bytes / 4]);
  using out = device.tensor([bytes / 4]);
  return await queueTime(device, bench, out, () => work(x, out));
}

async function timed(device: GpuDevice, bench: Bench, bytes: number, work: Work): Promise<number> {
  using x = device.tensor([bytes / 4]);
  using out = device.tensor([bytes / 4]);
  return (await gpuTime(device, bench, () => work(x, out))).ms;
}

/** One token that reads K blocks of M tokens a head. */
interface DecodeShape {
  readonly H: number;
  readonly G: number;
  readonly D: number;
  readonly M: number;
  readonly K: number;
  readonly T: number;
  readonly storage: "f32" | "f16";
}

/** The large ones read more than 200 MB, which no cache holds. */
function decodeShapes(small: boolean): DecodeShape[] {
  const base = { H: 32, G: 32, D: 64, M: 64, T: 1 };
  if (small) return [{ ...base, H: 4, G: 2, K: 8, storage: "f16" }];
  return [
    { ...base, K: 256, storage: "f32" },
    { ...base, K: 512, storage: "f16" },
    { ...base, D: 128, K: 256, storage: "f16" },
    { ...base, G: 8, K: 512, storage: "f16" },
    { H: 4, G: 2, D: 64, M: 64, T: 1, K: 4, storage: "f16" }, // the embedded model
    { H: 4, G: 2, D: 64, M: 64, T: 192, K: 4, storage: "f16" },
  ];
}

/** Part "decode": attention to chosen blocks. */
export async function benchDecode(bench: Bench): Promise<void> {
  using device = await bench.open(true);
  for (const shape of decodeShapes(bench.small)) {
    const { T, H, G, D, M, K, storage } = shape;
    const bytes = T * H * K * 2 * M * D * (storage === "f16" ? 2 : 4);
    const name = `T ${T}, ${H}/${G} heads of ${D}, ${K} blocks of ${M}, ${storage}, ` +
      `${(bytes / 1e6).toFixed(0)} MB`;
    if (!bench.wanted(name)) continue;
    using stack = new DisposableStack();
    const { ms, kernels } = await gpuTime(device, bench, decodeOf(device, shape, stack));
    bench.report({ part: "decode", name, ms, rate: bytes / ms / 1e6, unit: "GB/s", kernels });
  }
}

function decodeOf(
  device: Device,
  { T, H, G, D, M, K, storage }: DecodeShape,
  stack: DisposableStack,
): () => void {
  // Every query head reads blocks of its own; an entry belongs to one key/value head.
  const capacity = H * K;
  const pool = stack.use(device.blockPool(capacity, { blockSize: M, headDim: D, storage }));
  fillPool(device, pool, { capacity, M, D, storage });
  const ordered = Array.from({ length: T * H * K }, (_, i) => i % capacity);
  const slots = Array.from({ length: T * H * K }, (_, i) => i % K);
  const integers = (data: number[]): Tensor =>
    stack.use(device.tensor([T, H, K], { dtype: "i32", data }));
  const chosen = { pool, entries: integers(ordered), slots: integers(slots) };
  const S = Math.max(T, M);
  const given = (shape: number[]): Tensor => stack.use(noisy(device, shape));
  const queries = given([T, K + 1, H, D]);
  const [q, k, v] = [given([T, H, D]), given([S, G, D]), given([S, G, D])];
  const out = stack.use(device.tensor([T, H, D]));
  const isLandmark = Uint8Array.from({ length: S }, (_, i) => Number((i + 1) % M === 0));
  const blocks = stack.use(device.blocks({ isLandmark }, 1, S));
  return () => device.memoryAttention(queries, q, k, v, blocks, chosen, out);
}

function fillPool(
  device: Device,
  pool: Tensor,
  { capacity, M, D, storage }: { capacity: number; M: number; D: number; storage: "f32" | "f16" },
): void {
  const most = Math.min(capacity, 256);
  using pieces = device.tensor([most, 2, M, D], {
    dtype: storage,
    data: noise(most * 2 * M * D),
  });
  for (let at = 0; at < capacity; at += most) {
    const count = Math.min(most, capacity - at);
    const data = Array.from({ length: count }, (_, i) => at + i);
    using entries = device.tensor([count], { dtype: "i32", data });
    device.loadBlocks(device.view(pieces, 0, count), pool, entries);
  }
}

/** Part "scan": every landmark is scored, and the best are chosen. */
export async function benchScan(bench: Bench): Promise<void> {
  using device = await bench.open(true);
  const [H, G, D, K] = [4, 2, 64, 4];
  for (const tokens of bench.small ? [4096] : [32_768, 262_144, 1_048_576]) {
    for (const T of bench.small ? [1] : [1, 192]) {
      const N = tokens / 64;
      const name = `T ${T}, ${N} blocks`;
      if (!bench.wanted(name)) continue;
      using stack = new DisposableStack();
      // As a memory keeps them: each segment has as many rows as all before.
      const landmarks = Array.from(
        { length: 1 + Math.max(0, Math.ceil(Math.log2(N / 256))) },
        (_, i) => stack.use(noisy(device, [256 * 2 ** Math.max(0, i - 1), G, D], i + 1)),
      );
      const order = stack.use(
        device.tensor([N], { dtype: "i32", data: Array.from({ length: N }, (_, i) => i) }),
      );
      const queries = stack.use(noisy(device, [T, K + 1, H, D]));
      const scores = stack.use(device.tensor([T, H, N]));
      const chosen = stack.use(device.tensor([T, H, K], { dtype: "i32" }));
      const { ms, kernels } = await gpuTime(device, bench, () => {
        device.landmarkScores(queries, landmarks, order, scores);
        device.chooseBlocks(scores, chosen, { by: "token" });
      });
      const rate = N * G * D * 4 / ms / 1e6;
      bench.report({ part: "scan", name, ms, rate, unit: "GB/s", kernels });
    }
  }
}
