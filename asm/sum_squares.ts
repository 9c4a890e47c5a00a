import { loadTail, madd, partStart, sumLanes } from "./simd";

/** Elements whose squares are summed in f32, before f64 takes over. */
const CHUNK: u32 = 4096;

/** How many numbers sumSquares writes. */
export function sumSquaresChunks(count: u32): u32 {
  return (count + CHUNK - 1) / CHUNK;
}

/** sums f64 [chunks] = Σ x² of every chunk: the parts share out chunks that do not depend on them. */
export function sumSquares(part: u32, parts: u32, x: usize, sums: usize, count: u32): void {
  const chunks = sumSquaresChunks(count);
  const end = partStart(chunks, part + 1, parts);
  for (let n = partStart(chunks, part, parts); n < end; n++) {
    const start = n * CHUNK;
    const sum = chunkSum(x + (<usize> start << 2), min(CHUNK, count - start));
    store<f64>(sums + (<usize> n << 3), <f64> sum);
  }
}

/** out += the sums [chunks] in their order. */
export function addSums(sums: usize, out: usize, chunks: u32): void {
  let total: f64 = 0;
  for (let n: u32 = 0; n < chunks; n++) total += load<f64>(sums + (<usize> n << 3));
  store<f32>(out, <f32> (<f64> load<f32>(out) + total));
}
@inline
function chunkSum(x: usize, count: u32): f32 {
  let even = f32x4.splat(0);
  let odd = f32x4.splat(0);
  let i: u32 = 0;
  for (; i + 8 <= count; i += 8) {
    const at = x + (<usize> i << 2);
    const first = v128.load(at);
    const second = v128.load(at, 16);
    even = madd(first, first, even);
    odd = madd(second, second, odd);
  }
  for (; i < count; i += 4) {
    const rest = loadTail(x + (<usize> i << 2), count - i);
    even = madd(rest, rest, even);
  }
  return sumLanes(f32x4.add(even, odd));
}
