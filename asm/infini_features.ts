// infini_features: features of rows, φ(x) = ELU(x) + 1, and what they are divided by. `count` rows
// of `dim` numbers each; a row of a work area has room for whole vectors, numbers behind the last
// one may be written there, and mean nothing.

import { bringRows } from "./infini_rows";
import { rowDot } from "./row_gradients";
import { madd, nmadd, storeTail } from "./simd";

/** The lowest exponent: e⁻⁸⁷ is a normal number. */
const LOWEST = memory.data<f32>([-87]);
const LOG2_E = memory.data<f32>([1.44269504]);
const LN2 = memory.data<f32>([0.693147182]);
/** 1.5 · 2²³: beside it there is no room for a fraction, and the lowest bits are the integer. */
const ROUNDER = memory.data<f32>([12582912]);
const ONE = memory.data<f32>([1]);
/** p of eʳ = 1 + r + r² · p(r), from the highest power on: the largest error is 1.05e-7 of eʳ. */
const P = memory.data<f32>([8.3125013e-3, 4.18903315e-2, 0.166671154, 0.499992303]);

/**
 * out = φ(x); rows of x lie `xRow` bytes apart. Numbers behind a row of x are read.
 *
 * φ(x) = max(x, 0) + eʸ, y = min(x, 0), to some 1e-7 of it: e⁰ is 1 to the bit. Constants are read
 * from memory, and once: see math.ts.
 */
export function features(
  x: usize,
  xRow: u32,
  count: u32,
  dim: u32,
  out: usize,
  outRow: u32,
): void {
  const lowest = v128.load32_splat(LOWEST), log2E = v128.load32_splat(LOG2_E);
  const ln2 = v128.load32_splat(LN2), rounder = v128.load32_splat(ROUNDER);
  const p0 = v128.load32_splat(P), p1 = v128.load32_splat(P, 4), p2 = v128.load32_splat(P, 8);
  const p3 = v128.load32_splat(P, 12), one = v128.load32_splat(ONE), zero = f32x4.splat(0);
  const row = dim << 2;
  bringRows(x, xRow, count, dim, out);
  for (; count > 0; count--, x += xRow, out += outRow) {
    for (let at: usize = 0; at < row; at += 16) {
      const given = v128.load(x + at), y = f32x4.pmax(f32x4.pmin(given, zero), lowest);
      // y = n · ln 2 + r, |r| ≤ ln 2 / 2
      const shifted = madd(y, log2E, rounder), r = nmadd(f32x4.sub(shifted, rounder), ln2, y);
      const p = madd(madd(madd(madd(madd(p0, r, p1), r, p2), r, p3), r, one), r, one);
      const power = i32x4.add(p, i32x4.shl(shifted, 23));
      v128.store(out + at, f32x4.add(f32x4.pmax(given, zero), power));
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
  const slopes = f32x4.splat(slope);
  for (; dim >= 4; dim -= 4, phi += 16, dPhi += 16, z += 16, dX += 16) {
    v128.store(dX, plusGradient(phi, dPhi, slopes, z, dX));
  }
  if (dim > 0) storeTail(dX, plusGradient(phi, dPhi, slopes, z, dX), dim);
}

@inline
function plusGradient(phi: usize, dPhi: usize, slopes: v128, z: usize, dX: usize): v128 {
  const d = madd(slopes, v128.load(z), v128.load(dPhi)), one = v128.load32_splat(ONE);
  return madd(d, f32x4.pmin(one, v128.load(phi)), v128.load(dX));
}
