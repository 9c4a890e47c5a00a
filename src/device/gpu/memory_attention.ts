import source from "../../../wgsl/memory_attention.wgsl" with { type: "text" };
import type { Blocks, Chosen, Tensor } from "../device.ts";
import { checkInteger, matchShapes } from "../shapes.ts";
import { poolSegments } from "./block_pool.ts";
import { checkBlocks } from "./blocks.ts";
import { GpuTensor } from "./gpu_tensor.ts";
import { float, type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";
import { landmarkAttention } from "./landmark_attention.ts";
import { attendByParts, type Reading } from "./memory_attention_parts.ts";

const kernel = { name: "memory_attention", source };

/** Up to so many queries meet the blocks of a regular section one by one, as they do chosen ones. */
const FEW_QUERIES = 64;
/** What the kernel for many queries takes. */
const MOST = { blockSize: 64, headDim: 128 };
/** Workgroups that keep a GPU busy: fewer are made smaller. */
const BUSY = 256;

/** Attention to the section and to chosen blocks; wgsl/memory_attention*.wgsl. */
export function memoryAttention(
  host: GpuHost,
  queries: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  chosen: Chosen | undefined,
  out: Tensor,
  options: { scale?: number } = {},
): void {
  const operation = "memoryAttention";
  const patterns = {
    q: "f32 T H D",
    queries: "f32 T Z H D",
    k: "f32 S G D",
    v: "f32 S G D",
    out: "f32 T H D",
  } as const;
  const sizes = matchShapes(operation, patterns, { q, queries, k, v, out });
  const plan = checkBlocks(operation, host, blocks, { ...sizes, B: 1 });
  const { scale = 1 / Math.sqrt(sizes.D) } = options;
  if (chosen) checkChosen(host, chosen, sizes);
  const reading = { queries, q, k, v, out, blocks: plan, chosen, scale, sizes };
  if (sizes.T === 0) return;
  if (sizes.T <= FEW_QUERIES && plan.regular > 0) return attendByParts(host, reading);

  using top = host.tensor([sizes.T, sizes.H], { zero: false });
  const whole = (x: Tensor): Tensor => batched(host, x);
  landmarkAttention(host, whole(q), whole(k), whole(v), plan, whole(out), whole(top), { scale });
  if (!chosen) return;
  const fits = chosen.pool.shape[2] <= MOST.blockSize && sizes.D <= MOST.headDim;
  const rows = fits && chosen.entries.shape[0] === 1 ? rowsOf(host, sizes) : undefined;
  if (rows) attendTogether(host, reading, chosen, top, rows);
  else attendByParts(host, reading, top);
}

function checkChosen(
  host: GpuHost,
  { pool, entries, slots }: Chosen,
  { T, Z, H, D }: Reading["sizes"],
): void {
  const operation = "memoryAttention";
  const sets = entries.shape[0] === 1 ? 1 : T;
  const { N, M } = matchShapes(
    operation,
    { pool: `f32|f16 N 2 M ${D}`, entries: `i32 ${sets} ${H} K`, slots: `i32 ${sets} ${H} K` },
    { pool, entries, slots },
  ) as Record<"N" | "M", number>;
  checkInteger(operation, "tokens a block", M, [2, 2 ** 31]);
  checkIndices(host, operation, "entries", entries, [0, N]);
  checkIndices(host, operation, "slots", slots, [0, Z]);
}

/** The tensor as one batch row. */
function batched(host: GpuHost, tensor: Tensor): Tensor {
  host.check(tensor);
  const { dtype, shape, storage, at } = tensor as GpuTensor;
  return new GpuTensor(dtype, [1, ...shape], storage, at);
}

/** Queries in a workgroup of that kernel: as many as its memory holds, fewer where tokens are few. */
function rowsOf(host: GpuHost, { T, H, D }: Reading["sizes"]): number | undefined {
  const bytes = (rows: number): number => {
    const tile = Math.max((rows + 64) * 9, 32 * 16 * Math.ceil(D / 64));
    return (tile + rows * 17) * 16 + rows * 4;
  };
  const fitting = [32, 16].filter((rows) => bytes(rows) <= host.limits.workgroupBytes);
  return fitting.find((rows) => T * H / rows >= BUSY) ?? fitting[fitting.length - 1];
}

/** All queries meet the same blocks, which `out` and `top` take in; wgsl/memory_attention.wgsl. */
function attendTogether(
  host: GpuHost,
  { queries, out, blocks, scale, sizes: { T, Z, S, H, D } }: Reading,
  { pool, entries, slots }: Chosen,
  top: Tensor,
  ROWS: number,
): void {
  const isIrregular = blocks.regular === 0;
  const { segments, perSegment } = poolSegments(pool);
  segments.forEach((segment, s) =>
    host.run(kernel, {
      tensors: [
        ...[queries, entries, slots, segment],
        isIrregular ? blocks.sights : slots,
        ...[out, top],
      ],
      params: [
        ...[T, Z, H, entries.shape[2], pool.shape[2]],
        ...[s * perSegment, segment.shape[0], S - T],
        float(scale),
      ],
      constants: { D, ROWS, HALF: Number(pool.dtype === "f16"), SIGHTS: Number(isIrregular) },
      groups: spread(host, Math.ceil(T / ROWS) * H),
    })
  );
}
