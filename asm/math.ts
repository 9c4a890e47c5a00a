// exp and log in four lanes: polynomials after range reduction, no tables. The results are within
// some 1e-7 of the right ones, relatively.
//
// Constants of exp lie in memory: a load from an address known at compile time is one instruction,
// as the engine sees that it is in bounds. A constant in the code is three in V8, and in every turn
// of a loop again.

import { madd, nmadd } from "./simd";

const LOG2_E = memory.data<f32>([1.44269504]);
/** ln 2 in two parts; the first has so few bits that its product with an exponent is exact. */
const LN2_HIGH = memory.data<f32>([0.693359375]);
const LN2_LOW = memory.data<f32>([-2.12194440e-4]);
/** 1.5 · 2²³: next to it an f32 has no fraction bits, and the low bits are the integer. */
const ROUNDER = memory.data<f32>([12582912]);
/** The results between these are normal numbers. */
const EXP_LOW = memory.data<f32>([-87.3365]);
const EXP_HIGH = memory.data<f32>([88.7228]);
const ONE = memory.data<f32>([1]);
/** p of eʳ = 1 + r + r² · p(r), from the highest power on. */
const P = memory.data<f32>([
  1.98756912e-4, 1.39819994e-3, 8.33345205e-3, 4.16657962e-2, 1.66666657e-1, 0.5,
]);

/** eˣ; 0 where that is below the smallest normal number, and never infinite: at most 3.4e38. */
@inline
export function exp4(x: v128): v128 {
  // x = n · ln 2 + r, |r| ≤ ln 2 / 2
  const bounded = f32x4.pmin(x, v128.load32_splat(EXP_HIGH)), rounder = v128.load32_splat(ROUNDER);
  const rounded = madd(bounded, v128.load32_splat(LOG2_E), rounder);
  const n = f32x4.sub(rounded, rounder), most = nmadd(n, v128.load32_splat(LN2_HIGH), bounded);
  const r = nmadd(n, v128.load32_splat(LN2_LOW), most), square = f32x4.mul(r, r);
  // Powers by pairs: a shorter chain than one after another.
  const p0 = madd(v128.load32_splat(P), r, v128.load32_splat(P, 4));
  const p1 = madd(v128.load32_splat(P, 8), r, v128.load32_splat(P, 12));
  const p2 = madd(v128.load32_splat(P, 16), r, v128.load32_splat(P, 20));
  const p = madd(madd(p0, square, p1), square, p2);
  const power = f32x4.add(v128.load32_splat(ONE), madd(square, p, r));
  // Times 2ⁿ: n, the low bits of `rounded`, is added to the exponent.
  const scaled = i32x4.add(power, i32x4.shl(rounded, 23));
  return v128.andnot(scaled, f32x4.lt(x, v128.load32_splat(EXP_LOW)));
}

/** ln x for normal x > 0. */
@inline
export function log4(x: v128): v128 {
  // x = 2ⁿ · m, √½ ≤ m < √2
  const SQRT_HALF = i32x4.splat(0x3f3504f3);
  const shifted = i32x4.sub(x, SQRT_HALF);
  const n = f32x4.convert_i32x4_s(i32x4.shr_s(shifted, 23));
  const m = i32x4.add(v128.and(shifted, i32x4.splat(0x007fffff)), SQRT_HALF);
  // ln(1 + r) = r − r² / 2 + r³ · p(r)
  const r = f32x4.sub(m, f32x4.splat(1));
  let p = f32x4.splat(7.03768358e-2);
  p = madd(p, r, f32x4.splat(-1.15146101e-1));
  p = madd(p, r, f32x4.splat(1.16769984e-1));
  p = madd(p, r, f32x4.splat(-1.24201408e-1));
  p = madd(p, r, f32x4.splat(1.42493233e-1));
  p = madd(p, r, f32x4.splat(-1.66680574e-1));
  p = madd(p, r, f32x4.splat(2.00007141e-1));
  p = madd(p, r, f32x4.splat(-2.49999937e-1));
  p = madd(p, r, f32x4.splat(3.33333313e-1));
  const square = f32x4.mul(r, r);
  const small = madd(n, v128.load32_splat(LN2_LOW), f32x4.mul(f32x4.mul(square, r), p));
  const rest = f32x4.add(nmadd(square, f32x4.splat(0.5), small), r);
  return madd(n, v128.load32_splat(LN2_HIGH), rest);
}

/** eˣ of one number. */
@inline
export function expOf(x: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.splat(x)), 0);
}

/** ln x of one normal number > 0. */
@inline
export function logOf(x: f32): f32 {
  return f32x4.extract_lane(log4(f32x4.splat(x)), 0);
}

/** 1 / (1 + e⁻ˣ). */
@inline
export function sigmoid4(x: v128): v128 {
  const one = v128.load32_splat(ONE);
  return f32x4.div(one, f32x4.add(one, exp4(f32x4.neg(x))));
}
