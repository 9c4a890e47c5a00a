import source from "../../../wgsl/landmark_scores.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { checkDivides, matchShapes } from "../shapes.ts";
import { float, type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";

const kernel = { name: "landmark_scores", source };

/** Segments that one run of the kernel binds: with the rest 8 tensors, what every WebGPU allows. */
const SEGMENTS = 5;
/** Blocks and threads of a workgroup. */
const BLOCKS = 64;
/** In place of the first row of a segment that there is none of. */
const NO_ROW = 0xffffffff;

/** Rows of queries in a workgroup, and of rows and blocks in a thread: 256 threads, 64 blocks. */
const TILES = [
  { ROWS: 4, TR: 1, TN: 1 },
  { ROWS: 16, TR: 2, TN: 2 },
  { ROWS: 64, TR: 4, TN: 4 },
];

/** What a workgroup keeps: tiles of queries and landmarks, 9 times 4 numbers a row, and places. */
function tileBytes(rows: number): number {
  return (rows + BLOCKS) * 9 * 16 + BLOCKS * 8 + 8;
}

/** scores [T, H, n] = scale · queries · every block's landmark; wgsl/landmark_scores.wgsl. */
export function landmarkScores(
  host: GpuHost,
  queries: Tensor,
  landmarks: readonly Tensor[],
  order: Tensor,
  scores: Tensor,
  options: { scale?: number } = {},
): void {
  const operation = "landmarkScores";
  const patterns = { queries: "f32 T Z H D", order: "i32 n", scores: "f32 T H n" } as const;
  const { T, Z, H, D, n } = matchShapes(operation, patterns, { queries, order, scores });
  if (n === 0) return;
  const G = landmarks[0]?.shape[1] ?? 1;
  const starts = [0];
  for (const segment of landmarks) {
    const { P } = matchShapes(operation, { landmarks: `f32 P ${G} ${D}` }, {
      landmarks: segment,
    }) as { P: number };
    starts.push(starts[starts.length - 1] + P);
  }
  checkDivides(operation, ["G", G], ["H", H]);
  checkIndices(host, operation, "order", order, [0, starts[landmarks.length]]);

  const rows = T * H / G;
  const tiles = TILES.filter(({ ROWS }) => tileBytes(ROWS) <= host.limits.workgroupBytes);
  const constants = { D, ...tiles.find(({ ROWS }) => rows <= ROWS) ?? tiles[tiles.length - 1] };
  const [y, z] = spread(host, Math.ceil(rows / constants.ROWS) * G);
  const { scale = 1 / Math.sqrt(D) } = options;
  for (let first = 0; first < landmarks.length; first += SEGMENTS) {
    const last = Math.min(first + SEGMENTS, landmarks.length);
    const places = Array.from({ length: SEGMENTS }, (_, i) => first + i);
    host.run(kernel, {
      tensors: [
        queries,
        order,
        ...places.map((i) => landmarks[i < last ? i : first]),
        scores,
      ],
      params: [
        ...places.map((i) => i < last ? starts[i] : NO_ROW),
        starts[last],
        ...[T, Z, H, G, n],
        float(scale),
      ],
      constants,
      groups: [Math.ceil(n / BLOCKS), y, z],
    });
  }
}
