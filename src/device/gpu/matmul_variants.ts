/** Which tile a matrix product takes, and into how many slices its sums are cut. */

/** Constants of wgsl/matmul.wgsl. */
export interface Tile {
  readonly TILE_M: number;
  readonly TILE_N: number;
  readonly ROW_QUADS: number;
  readonly COLUMN_QUADS: number;
}

/** A tile and how well it does: products a cycle of a processor that is busy with it alone. */
interface RatedTile extends Tile {
  readonly rate: number;
}

/** A way to make a product. */
export interface Variant {
  readonly tile: Tile;
  /** How many parts of k are summed apart. */
  readonly slices: number;
  /** Steps of k in a slice, a multiple of {@linkcode TILE_K}. */
  readonly slice: number;
}

/** What decides. */
export interface Product {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  /** Whether k may be cut into slices. */
  readonly split: boolean;
  /** What a workgroup's tiles may take; small ones always fit. */
  readonly workgroupBytes: number;
}

/** Steps of k that a workgroup holds. */
export const TILE_K = 16;

/** Larger tiles read less, smaller ones keep more processors busy. */
export const TILES: Readonly<Record<"large" | "middle" | "small", RatedTile>> = {
  large: { TILE_M: 128, TILE_N: 128, ROW_QUADS: 2, COLUMN_QUADS: 2, rate: 96 },
  middle: { TILE_M: 64, TILE_N: 64, ROW_QUADS: 2, COLUMN_QUADS: 1, rate: 72 },
  small: { TILE_M: 32, TILE_N: 32, ROW_QUADS: 1, COLUMN_QUADS: 1, rate: 48 },
};

/** A large GPU's processors; what keeps them busy keeps those of a small one busy too. */
const PROCESSORS = 132;
/** Below this many steps a slice is not worth its sums. */
const LEAST_SLICE = 512;
const MOST_SLICES = 64;
/** Numbers a cycle that all processors together write and read again. */
const PARTS_PER_CYCLE = 200;
/** Numbers of scratch memory. */
const MOST_PARTS = 2 ** 24;

/** The way that takes the least time by a simple count of cycles. */
export function chooseVariant({ m, n, k, split, workgroupBytes }: Product): Variant {
  const most = split
    ? Math.min(MOST_SLICES, Math.floor(k / LEAST_SLICE), Math.floor(MOST_PARTS / (m * n)))
    : 1;
  let [best, least] = [variant(TILES.small, k, 1), Infinity];
  for (const tile of Object.values(TILES)) {
    if (tileBytes(tile, 1) > workgroupBytes) continue;
    const { TILE_M, TILE_N, rate } = tile;
    const tiles = Math.ceil(m / TILE_M) * Math.ceil(n / TILE_N);
    for (let count = 1; count === 1 || count <= most; count++) {
      const candidate = variant(tile, k, count);
      const { slices, slice } = candidate;
      const rounds = Math.ceil(tiles * slices / PROCESSORS);
      const parts = slices > 1 ? slices * m * n / PARTS_PER_CYCLE : 0;
      const cycles = rounds * TILE_M * TILE_N * slice / rate + parts;
      if (cycles < least) [best, least] = [candidate, cycles];
    }
  }
  return best;
}

/** Bytes of a workgroup's tiles: each step of k has a gap of four numbers behind it. */
export function tileBytes({ TILE_M, TILE_N }: Tile, stages: number): number {
  return stages * TILE_K * (TILE_M + 4 + TILE_N + 4) * 4;
}

function variant(tile: Tile, k: number, count: number): Variant {
  const slice = Math.max(1, Math.ceil(k / count / TILE_K)) * TILE_K;
  return { tile, slice, slices: Math.max(1, Math.ceil(k / slice)) };
}
