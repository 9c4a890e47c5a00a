import { checkChoice } from "../choose_blocks.ts";
import {
  type Blocks,
  type Chosen,
  type Granularity,
  type PlaceOptions,
  sizeOf,
  type Tensor,
} from "../device.ts";
import { checkPlaces, placeBlocks as placeAll } from "../place_blocks.ts";
import { checkDivides, checkInteger, matchShapes } from "../shapes.ts";
import { checkIndices } from "./gather.ts";
import { EXP_WORK, type Host, launch } from "./host.ts";
import {
  FEW_QUERIES,
  type LandmarkJob,
  PRODUCTS_PER_ELEMENT,
  runJob,
  shapeJob,
} from "./landmark_job.ts";

/** out [S/M, G, 2, M, D] = k, then v [S, G, D], cut into blocks; asm/seal_blocks.ts. */
export function sealBlocks(host: Host, k: Tensor, v: Tensor, out: Tensor): void {
  const patterns = { out: "f32|f16 n G 2 M D", k: "f32 S G D", v: "f32 S G D" } as const;
  const { n, G, M, D, S } = matchShapes("sealBlocks", patterns, { out, k, v });
  if (S !== n * M) {
    throw new RangeError(
      `Cannot run sealBlocks as k must hold ${n} blocks of ${M} tokens: current value is ${S} tokens`,
    );
  }
  const [kAt, vAt, outAt] = [host.address(k), host.address(v), host.address(out)];
  const half = Number(out.dtype === "f16");
  launch(host, 2 * S * G * D, "sealBlocks", kAt, vAt, outAt, n, G, M, D, half);
}

/** Room for pieces [capacity, 2, M, D]; keys are kept turned, [D, M], as reading wants them. */
export function blockPool(
  host: Host,
  capacity: number,
  { blockSize, headDim }: { blockSize: number; headDim: number },
): Tensor {
  checkInteger("blockPool", "capacity", capacity, [1, 2 ** 31]);
  return host.tensor([capacity, 2, blockSize, headDim]);
}

/** pool at entries [n] = pieces [n, 2, M, D]; asm/seal_blocks.ts. */
export function loadBlocks(host: Host, pieces: Tensor, pool: Tensor, entries: Tensor): void {
  const patterns = {
    pool: "f32 N 2 M D",
    pieces: "f32|f16 n 2 M D",
    entries: "i32 n",
  } as const;
  const { N, n, M, D } = matchShapes("loadBlocks", patterns, { pool, pieces, entries });
  checkIndices(host, "loadBlocks", "entries", entries, [0, N]);
  const half = Number(pieces.dtype === "f16");
  const [from, to, places] = [host.address(pieces), host.address(pool), host.address(entries)];
  launch(host, 2 * n * M * D, "loadBlocks", from, to, places, n, M, D, half);
}

/** scores [T, H, n] = scale · queries · every block's landmark; asm/landmark_scores.ts. */
export function landmarkScores(
  host: Host,
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
  const [G, rows] = [landmarks[0]?.shape[1] ?? 1, landmarks.map(({ shape }) => shape[0])];
  for (const segment of landmarks) {
    matchShapes(operation, { landmarks: `f32 P ${G} ${D}` }, { landmarks: segment });
  }
  checkDivides(operation, ["G", G], ["H", H]);
  checkIndices(host, operation, "order", order, [0, rows.reduce((sum, P) => sum + P, 0)]);

  const { scale = 1 / Math.sqrt(D) } = options;
  const fields = 13;
  const segments = landmarks.length * 2;
  const rowsBytes = host.threads * host.call("landmarkScoresScratch");
  const record = host.scratch((fields + segments) * 4 + rowsBytes);
  const places = record + (fields + segments) * 4;
  let row = 0;
  host.i32(record + fields * 4, segments)
    .set(landmarks.flatMap((segment, i) => [host.address(segment), (row += rows[i]) - rows[i]]));
  host.i32(record, fields - 1).set([
    host.address(queries),
    record + fields * 4,
    host.address(order),
    host.address(scores),
    places,
    landmarks.length,
    ...[T, Z, H, G, D, n],
  ]);
  host.f32(record + (fields - 1) * 4, 1)[0] = scale;
  launch(host, T * H * n * D / PRODUCTS_PER_ELEMENT, operation, record);
}

/** The k best blocks, by time; asm/choose_blocks.ts. */
export function chooseBlocks(
  host: Host,
  scores: Tensor,
  chosen: Tensor,
  { by }: { by: Granularity },
): void {
  const { T, H, n, k } = checkChoice({ scores, chosen }, by);
  const shared = by !== "token";
  // Sets, rows of scores from one to the next, rows in each, rows of scores between them.
  const layout = { token: [T * H, 1, 1, 1], chunk: [H, 1, T, H], heads: [T, H, H, 1] }[by];
  launch(
    host,
    T * H * n * (shared ? EXP_WORK : 1),
    "chooseBlocks",
    host.address(scores),
    host.address(chosen),
    ...layout,
    n,
    k,
    Number(shared),
    host.scratch(host.threads * host.call("chooseScratch", n, k)),
  );
}

/** Where chosen blocks lie in a pool that holds every piece; little enough to need no kernel. */
export function placeBlocks(
  host: Host,
  chosen: Tensor,
  order: Tensor,
  entries: Tensor,
  slots: Tensor,
  options: PlaceOptions,
): void {
  const shape = checkPlaces({ chosen, order, entries, slots }, options);
  checkIndices(host, "placeBlocks", "chosen", chosen, [0, shape.n]);
  const data = (tensor: Tensor) => host.i32(host.address(tensor), sizeOf(tensor.shape));
  placeAll(data(chosen), data(order), data(entries), data(slots), shape, options);
}

/** Attention to the section and to chosen blocks; asm/memory_attention.ts, asm/landmark_rows.ts. */
export function memoryAttention(
  host: Host,
  queries: Tensor,
  q: Tensor,
  k: Tensor,
  v: Tensor,
  blocks: Blocks,
  chosen: Chosen | undefined,
  out: Tensor,
  { scale }: { scale?: number } = {},
): void {
  const operation = "memoryAttention";
  const { T, Z, S, H, G, D } = matchShapes(
    operation,
    {
      q: "f32 T H D",
      queries: "f32 T Z H D",
      k: "f32 S G D",
      v: "f32 S G D",
      out: "f32 T H D",
    },
    { q, queries, k, v, out },
  );
  const choice = chosen ? chosenJob(host, chosen, { T, Z, H, D }) : {};
  const job = {
    ...shapeJob(operation, host, { B: 1, T, S, H, G, D }, blocks, scale),
    ...choice,
    q: host.address(q),
    k: host.address(k),
    v: host.address(v),
    out: host.address(out),
    slotQueries: host.address(queries),
  };
  const { sets = 1, chosen: count = 0, blockSize: M = 0 } = choice;
  const byRow = T <= FEW_QUERIES || sets > 1;
  const work = T * (S + count * M) * H * D / PRODUCTS_PER_ELEMENT;
  runJob(host, job, { packs: !byRow }, (at) => {
    if (byRow) return launch(host, work, "landmarkAttentionRows", at);
    launch(host, work, "packLandmark", at);
    launch(host, work, operation, at);
  });
}

/** What the kernels need to know of the chosen blocks. */
function chosenJob(
  host: Host,
  { pool, entries, slots }: Chosen,
  { T, Z, H, D }: Record<"T" | "Z" | "H" | "D", number>,
): LandmarkJob {
  const operation = "memoryAttention";
  const sets = entries.shape[0] === 1 ? 1 : T;
  const { N, M, K } = matchShapes(
    operation,
    { pool: `f32 N 2 M ${D}`, entries: `i32 ${sets} ${H} K`, slots: `i32 ${sets} ${H} K` },
    { pool, entries, slots },
  ) as Record<"N" | "M" | "K", number>;
  checkInteger(operation, "tokens a block", M, [2, 2 ** 31]);
  checkIndices(host, operation, "entries", entries, [0, N]);
  checkIndices(host, operation, "slots", slots, [0, Z]);
  return {
    pool: host.address(pool),
    entries: host.address(entries),
    slots: host.address(slots),
    chosen: K,
    sets,
    slotCount: Z,
    blockSize: M,
  };
}
