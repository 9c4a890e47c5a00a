// seal_blocks: whole blocks of a section to stored pieces, and pieces to entries of a pool.
//
//   k, v     f32 [S, G, D]                  S = n · M
//   pieces   f32 or f16 [n, G, 2, M, D]     keys, then values, of one block and key/value head
//   pool     f32 [N, 2, M, D]               keys turned to [D, M], as memory_attention reads them

import { loadHalf4, storeHalf4, toHalf4 } from "./half";
import { partStart, storeTail } from "./simd";
import { firstHalves, firstPairs, secondHalves, secondPairs } from "./tile";

/** pieces = k and v, cut into blocks; `half` says which type they have. Parts share the pieces. */
export function sealBlocks(
  part: u32,
  parts: u32,
  k: usize,
  v: usize,
  pieces: usize,
  blocks: u32,
  heads: u32,
  blockSize: u32,
  dim: u32,
  half: bool,
): void {
  const count = blocks * heads, end = partStart(count, part + 1, parts);
  const row = dim << (half ? 1 : 2), step = (heads * dim) << 2;
  for (let i = partStart(count, part, parts); i < end; i++) {
    const from = ((i / heads * blockSize * heads + i % heads) * dim) << 2;
    const keys = pieces + i * 2 * blockSize * row, values = keys + blockSize * row;
    for (let m: u32 = 0; m < blockSize; m++) {
      storeRow(k + from + m * step, dim, keys + m * row, half);
      storeRow(v + from + m * step, dim, values + m * row, half);
    }
  }
}

/** entries [n] of the pool = pieces [n, 2, M, D]. Parts share the pieces. */
export function loadBlocks(
  part: u32,
  parts: u32,
  pieces: usize,
  pool: usize,
  entries: usize,
  count: u32,
  blockSize: u32,
  dim: u32,
  half: bool,
): void {
  const size = blockSize * dim, end = partStart(count, part + 1, parts);
  for (let i = partStart(count, part, parts); i < end; i++) {
    const piece = pieces + ((i * 2 * size) << (half ? 1 : 2));
    const entry = pool + ((load<u32>(entries + (i << 2)) * 2 * size) << 2);
    turn(piece, blockSize, dim, entry, half);
    loadRow(piece + (size << (half ? 1 : 2)), size, entry + (size << 2), half);
  }
}

/** out [D, M] = piece [M, D]. */
function turn(piece: usize, blockSize: u32, dim: u32, out: usize, half: bool): void {
  const row = blockSize << 2, evenM = blockSize & ~3, evenD = dim & ~3;
  for (let m: u32 = 0; m < evenM; m += 4) {
    for (let d: u32 = 0; d < evenD; d += 4) {
      turnFour(piece, m * dim + d, dim, out + d * row + (m << 2), row, half);
    }
    for (let d = evenD; d < dim; d++) turnColumn(piece, m, m + 4, d, dim, out + d * row, half);
  }
  for (let d: u32 = 0; d < dim; d++) {
    turnColumn(piece, evenM, blockSize, d, dim, out + d * row, half);
  }
}

/** Four rows of four numbers, from a number of the piece on, to four columns. */
@inline
function turnFour(piece: usize, at: u32, dim: u32, out: usize, row: u32, half: bool): void {
  const x0 = loadFour(piece, at, half), x1 = loadFour(piece, at + dim, half);
  const x2 = loadFour(piece, at + 2 * dim, half), x3 = loadFour(piece, at + 3 * dim, half);
  const y01 = firstHalves(x0, x1), y23 = firstHalves(x2, x3);
  const z01 = secondHalves(x0, x1), z23 = secondHalves(x2, x3);
  v128.store(out, firstPairs(y01, y23));
  v128.store(out + row, secondPairs(y01, y23));
  v128.store(out + 2 * row, firstPairs(z01, z23));
  v128.store(out + 3 * row, secondPairs(z01, z23));
}

/** Number d of rows m … end. */
function turnColumn(
  piece: usize,
  m: u32,
  end: u32,
  d: u32,
  dim: u32,
  out: usize,
  half: bool,
): void {
  for (; m < end; m++) {
    v128.store_lane<f32>(out + (m << 2), loadFour(piece, m * dim + d, half), 0);
  }
}

/** Four numbers of a piece, from one on. */
@inline
function loadFour(piece: usize, at: u32, half: bool): v128 {
  return half ? loadHalf4(piece + (at << 1)) : v128.load(piece + (at << 2));
}

/** f32 out [count] = stored numbers. */
function loadRow(from: usize, count: u32, out: usize, half: bool): void {
  let i: u32 = 0;
  for (; i + 4 <= count; i += 4) v128.store(out + (i << 2), loadFour(from, i, half));
  if (i < count) storeTail(out + (i << 2), loadFour(from, i, half), count - i);
}

/** Stored out [count] = f32 numbers. */
function storeRow(from: usize, count: u32, out: usize, half: bool): void {
  if (!half) {
    memory.copy(out, from, count << 2);
    return;
  }
  let i: u32 = 0;
  for (; i + 4 <= count; i += 4) storeHalf4(out + (i << 1), v128.load(from + (i << 2)));
  const last = toHalf4(v128.load(from + (i << 2)));
  if (i < count) v128.store_lane<u16>(out + (i << 1), last, 0);
  if (i + 1 < count) v128.store_lane<u16>(out + (i << 1), last, 2, 2);
  if (i + 2 < count) v128.store_lane<u16>(out + (i << 1), last, 4, 4);
}
