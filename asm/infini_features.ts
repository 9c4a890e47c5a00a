// infini_features: features of rows, φ(x) = ELU(x) + 1, and what they are divided by. `count` rows
// of `dim` numbers each; a row of a work area has room for whole vectors, numbers behind the last
// one may be written there, and mean nothing.

import { rowDot } from "./row_gradients";
import { expShifted } from "./row_softmax";
import { madd, storeFirst } from "./simd";

/** out = φ(x); rows of x lie `xRow` bytes apart. Numbers behind a row of x are read. */
export function features(
  x: usize,
  xRow: u32,
  count: u32,
  dim: u32,
  out: usize,
  outRow: u32,
): void {
  const one = f32x4.splat(1), zero = f32x4.splat(0), row = dim << 2;
  for (; count > 0; count--, x += xRow, out += outRow) {
    for (let at: usize = 0; at < row; at += 16) {
      const number = v128.load(x + at);
      const power = expShifted(f32x4.pmin(zero, number));
      const line = f32x4.add(number, one);
      v128.store(out + at, v128.bitselect(line, power, f32x4.gt(number, zero)));
    }
  }
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
