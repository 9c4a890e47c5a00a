import rowsSource from "../../../wgsl/landmark_attention_rows.wgsl" with { type: "text" };
import type { Blocks, Foreign, LandmarkAttentionOptions, Tensor } from "../device.ts";
import { foreignBias } from "../foreign.ts";
import { matchShapes } from "../shapes.ts";
import { checkBlocks } from "./blocks.ts";
import { float, type GpuHost, type Param, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";
import { attendTiles, type Attention, hasTiles } from "./landmark_attention_tiles.ts";

const rows = { name: "landmark_attention_rows", source: rowsSource };

const SHAPES = {
  q: "f32 B T H D",
  k: "f32 B S G D",
  v: "f32 B S G D",
  out: "f32 B T H D",
  top: "f32 B T H",
} as const;

type Shape = Attention["shape"];

/** Up to so many queries are taken one by one, by as many workgroups. */
const FEW_QUERIES = 8;

/** Grouped softmax over blocks, fused; wgsl/landmark_attention*.wgsl. */
export function landmarkAttention(
  host: GpuHost,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  out: Tensor,
  top: Tensor,
  options: LandmarkAttentionOptions = {},
): void {
  const operation = "landmarkAttention";
  const shape = matchShapes(operation, SHAPES, { q, k, v, out, top });
  const plan = checkBlocks(operation, host, blocks, shape);
  const foreign = checkForeign(host, operation, options.foreign, shape);
  const scale = options.scale ?? 1 / Math.sqrt(shape.D);
  const bias = options.foreign ? foreignBias(operation, options.foreign) : 0;
  const job = { shape, plan, q, k, v, out, top, scale, foreign, foreignBias: bias };
  if (shape.T > FEW_QUERIES && hasTiles(host, job)) attendTiles(host, job);
  else attendRows(host, job);
}

/** Foreign blocks, if there are any to see. */
function checkForeign(
  host: GpuHost,
  operation: string,
  foreign: Foreign | undefined,
  { B, G, D }: Shape,
): Foreign | undefined {
  if (!foreign) return undefined;
  const { keys, values, index } = foreign;
  const patterns = { keys: `f32 N ${G} ${D}`, values: `f32 N ${G} ${D}`, index: `i32 ${B} n` };
  const { N, n } = matchShapes(operation, patterns, { keys, values, index }) as {
    N: number;
    n: number;
  };
  checkIndices(host, operation, "foreign.index", index, [-1, N]);
  return n === 0 ? undefined : foreign;
}

/** One query after another, for any plan. */
function attendRows(host: GpuHost, job: Attention): void {
  const { shape: { B, T, S, H, G, D }, plan, q, k, v, out, top } = job;
  const { keys, values, index } = job.foreign ?? { keys: k, values: v, index: plan.sights };
  const foreign = job.foreign ? index.shape[1] : 0;
  const sightsRow = plan.distinct > 1 ? S : 0;
  const params: Param[] = [
    ...[B, T, S, H, G, D, sightsRow, foreign],
    float(job.scale),
    float(job.foreignBias),
  ];
  host.run(rows, {
    tensors: [q, k, v, plan.sights, keys, values, index, out, top],
    params,
    constants: { ROUNDS: Math.ceil(D / 64) },
    groups: spread(host, B * T * H),
  });
}
