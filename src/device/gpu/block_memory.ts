import loadSource from "../../../wgsl/load_blocks.wgsl" with { type: "text" };
import sealSource from "../../../wgsl/seal_blocks.wgsl" with { type: "text" };
import toHalf from "../../../wgsl/to_half.wgsl" with { type: "text" };
import type { Tensor } from "../device.ts";
import { matchShapes } from "../shapes.ts";
import { poolSegments } from "./block_pool.ts";
import { type GpuHost, spread } from "./host.ts";
import { checkIndices } from "./host_check.ts";

const seal = { name: "seal_blocks", source: toHalf + sealSource };
const load = { name: "load_blocks", source: toHalf + loadSource };

/** out [S/M, G, 2, M, D] = k, then v [S, G, D], cut into blocks; wgsl/seal_blocks.wgsl. */
export function sealBlocks(host: GpuHost, k: Tensor, v: Tensor, out: Tensor): void {
  const patterns = { out: "f32|f16 n G 2 M D", k: "f32 S G D", v: "f32 S G D" } as const;
  const { n, G, M, D, S } = matchShapes("sealBlocks", patterns, { out, k, v });
  if (S !== n * M) {
    throw new RangeError(
      `Cannot run sealBlocks as k must hold ${n} blocks of ${M} tokens: current value is ${S} tokens`,
    );
  }
  const pairs = n * G * M * D;
  host.run(seal, {
    tensors: [k, v, out],
    params: [pairs, G, M, D],
    constants: { HALF: Number(out.dtype === "f16") },
    groups: spread(host, Math.ceil(pairs / 64)),
  });
}

/** pool at entries [n] = pieces [n, 2, M, D]; wgsl/load_blocks.wgsl, once for each segment. */
export function loadBlocks(host: GpuHost, pieces: Tensor, pool: Tensor, entries: Tensor): void {
  const patterns = {
    pool: "f32|f16 N 2 M D",
    pieces: "f32|f16 n 2 M D",
    entries: "i32 n",
  } as const;
  const { N, n, M, D } = matchShapes("loadBlocks", patterns, { pool, pieces, entries });
  checkIndices(host, "loadBlocks", "entries", entries, [0, N]);
  if (n === 0) return;
  const { segments, perSegment } = poolSegments(pool);
  const known = host.known(entries);
  segments.forEach((segment, s) => {
    const [first, count] = [s * perSegment, segment.shape[0]];
    if (known && !known.some((entry) => entry >= first && entry < first + count)) return;
    host.run(load, {
      tensors: [pieces, entries, segment],
      params: [n, M * D, first, count],
      constants: {
        FROM_HALF: Number(pieces.dtype === "f16"),
        TO_HALF: Number(pool.dtype === "f16"),
      },
      groups: [Math.ceil(M * D / 64), ...spread(host, n)],
    });
  });
}
