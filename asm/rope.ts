import { partStart, storeFirst } from "./simd";

/**
 * Rotates rows of `dim` numbers, `heads` of them a token: the pair (x_i, x_{i + dim/2}) by the angle
 * whose cosine and sine stand at rotations [positions[token], i]. `sign` −1 turns the other way.
 */
export function rope(
  part: u32,
  parts: u32,
  x: usize,
  positions: usize,
  rotations: usize,
  out: usize,
  tokens: u32,
  heads: u32,
  dim: u32,
  sign: f32,
  accumulate: u32,
): void {
  const bytes = <usize> dim << 2;
  const end = partStart(tokens * heads, part + 1, parts);
  for (let row = partStart(tokens * heads, part, parts); row < end; row++) {
    const position = load<u32>(positions + (<usize> (row / heads) << 2));
    rotate(x + row * bytes, rotations + position * bytes, out + row * bytes, dim, sign, accumulate);
  }
}
@inline
function rotate(
  x: usize,
  rotation: usize,
  out: usize,
  dim: u32,
  sign: f32,
  accumulate: u32,
): void {
  const signs = f32x4.splat(sign);
  const half = dim >> 1;
  const halfBytes = <usize> half << 2;
  for (let i: u32 = 0; i < half; i += 4) {
    const at = <usize> i << 2;
    const near = v128.load(rotation + (at << 1));
    const far = v128.load(rotation + (at << 1) + 16);
    const cosine = v128.shuffle<f32>(near, far, 0, 2, 4, 6);
    const sine = f32x4.mul(v128.shuffle<f32>(near, far, 1, 3, 5, 7), signs);
    const low = v128.load(x + at);
    const high = v128.load(x + halfBytes + at);
    let first = f32x4.sub(f32x4.mul(low, cosine), f32x4.mul(high, sine));
    let second = f32x4.add(f32x4.mul(high, cosine), f32x4.mul(low, sine));
    if (accumulate) {
      first = f32x4.add(first, v128.load(out + at));
      second = f32x4.add(second, v128.load(out + halfBytes + at));
    }
    storeFirst(out + at, first, half - i);
    storeFirst(out + halfBytes + at, second, half - i);
  }
}
