// infini_features: features of rows, φ(x) = ELU(x) + 1, and what they are divided by. `count` rows
// of `dim` numbers each; a row of a work area has room for whole vectors, numbers behind the last
// one may be written there, and mean nothing.

import { rowDot } from "./row_gradients";
import { madd, nmadd, storeFirst } from "./simd";

/** out = φ(x); rows of x lie `xRow` bytes apart. Numbers behind a row of x are read. */
export function features(
  x: usize,
  xRow: u32,
  count: u32,
  dim: u32,
  out: usize,
  outRow: u32,
): void {
  const row = dim << 2;
  for (; count > 0; count--, x += xRow, out += outRow) {
    for (let at: usize = 0; at < row; at += 16) {
      v128.store(out + at, featuresOf(v128.load(x + at)));
    }
  }
}

/** φ(x) in four lanes: x + 1 where x > 0, elsewhere eˣ, to some 1e-7 of it. */
@inline
function featuresOf(x: v128): v128 {
  // x = n · ln 2 + r, |r| ≤ ln 2 / 2. Beside 1.5 · 2²³ there is no room for a fraction: n is in the
  // lowest bits. Lanes with x > 0 may hold anything.
  const magic = f32x4.splat(12582912), one = f32x4.splat(1);
  const bounded = f32x4.pmax(x, f32x4.splat(-87));
  const shifted = madd(bounded, f32x4.splat(1.44269504), magic);
  const r = nmadd(f32x4.sub(shifted, magic), f32x4.splat(0.693147182), bounded);
  // eʳ, by the polynomial with the smallest largest relative error, 1.05e-7, that begins 1 + r
  let power = madd(f32x4.splat(8.3125013e-3), r, f32x4.splat(4.18903315e-2));
  power = madd(power, r, f32x4.splat(0.166671154));
  power = madd(power, r, f32x4.splat(0.499992303));
  power = madd(power, r, one);
  power = madd(power, r, one);
  power = i32x4.add(power, i32x4.shl(shifted, 23));
  return v128.bitselect(f32x4.add(x, one), power, f32x4.gt(x, f32x4.splat(0)));
}

/** z [dim], out of the last column of a memory. */
export function loadNormalizer(memory: usize, dim: u32, z: usize): void {
  const row = (dim + 1) << 2;
  memory += dim << 2;
  for (; dim > 0; dim--, memory += row, z += 4) store<f32>(z, load<f32>(memory));
}

/** The last column of a memory = z [dim]. */
export function storeNormalizer(z: usize, dim: u32, memory: usize): void {
  const row = (dim + 1) << 2;
  memory += dim << 2;
  for (; dim > 0; dim--, memory += row, z += 4) store<f32>(memory, load<f32>(z));
}

/** out [count] = max(φ·z, epsilon). */
export function divisors(
  phi: usize,
  phiRow: u32,
  count: u32,
  z: usize,
  dim: u32,
  epsilon: f32,
  out: usize,
): void {
  for (; count > 0; count--, phi += phiRow, out += 4) {
    store<f32>(out, max(rowDot(phi, z, dim), epsilon));
  }
}

/** sum [dim] += each row, in order. */
export function addRows(x: usize, xRow: u32, count: u32, dim: u32, sum: usize): void {
  const row = dim << 2;
  for (let at: usize = 0; at < row; at += 16) {
    let total = v128.load(sum + at), from = x + at;
    for (let i = count; i > 0; i--, from += xRow) total = f32x4.add(total, v128.load(from));
    v128.store(sum + at, total);
  }
}

/** sum [dim] += factors [count] · rows, in order. */
export function addScaledRows(
  x: usize,
  xRow: u32,
  factors: usize,
  count: u32,
  dim: u32,
  sum: usize,
): void {
  const row = dim << 2;
  for (let at: usize = 0; at < row; at += 16) {
    let total = v128.load(sum + at), from = x + at, factor = factors;
    for (let i = count; i > 0; i--, from += xRow, factor += 4) {
      total = madd(v128.load32_splat(factor), v128.load(from), total);
    }
    v128.store(sum + at, total);
  }
}

/** out = factor / divisor, [count]. */
export function overDivisors(divisor: usize, count: u32, factor: f32, out: usize): void {
  for (; count > 0; count--, divisor += 4, out += 4) {
    store<f32>(out, factor / load<f32>(divisor));
  }
}

/**
 * dX [dim] += (dPhi + slope · z) · φ′: φ′ is 1 where x > 0, that is where φ > 1, and φ elsewhere.
 */
export function addFeatureGradient(
  phi: usize,
  dPhi: usize,
  slope: f32,
  z: usize,
  dim: u32,
  dX: usize,
): void {
  const one = f32x4.splat(1), slopes = f32x4.splat(slope);
  for (let left = <i32> dim; left > 0; left -= 4, phi += 16, dPhi += 16, z += 16, dX += 16) {
    const d = madd(slopes, v128.load(z), v128.load(dPhi));
    const sum = madd(d, f32x4.pmin(one, v128.load(phi)), v128.load(dX));
    storeFirst(dX, sum, left);
  }
}
