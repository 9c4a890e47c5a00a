// f16 is storage only: 16-bit patterns (IEEE 754 binary16) become f32 when loaded, and back.

/** Four f16 patterns, each in the low half of a 32-bit lane, as f32. */
@inline
export function fromHalf4(patterns: v128): v128 {
  const magnitude = i32x4.shl(v128.and(patterns, i32x4.splat(0x7fff)), 13);
  // The exponents differ by 112. A product, not a sum of bits, so that subnormals come right too.
  const scaled = f32x4.mul(magnitude, f32x4.splat(5.192296858534828e33));
  const special = v128.and(
    i32x4.ge_u(magnitude, i32x4.splat(0x0f800000)),
    i32x4.splat(0x7f800000),
  );
  const sign = i32x4.shl(v128.and(patterns, i32x4.splat(0x8000)), 16);
  return v128.or(v128.or(scaled, special), sign);
}

/** Four f16 numbers at an address, as f32. */
@inline
export function loadHalf4(address: usize): v128 {
  return fromHalf4(v128.load16x4_u(address));
}

/** Four f32 as f16 patterns in the low halves of the lanes: the nearest, ties to the even one. */
@inline
export function toHalf4(x: v128): v128 {
  const sign = v128.and(x, i32x4.splat(0x80000000));
  const size = v128.xor(x, sign);
  // Normal numbers: move the exponent, and round the 13 bits that go.
  const odd = v128.and(i32x4.shr_u(size, 13), i32x4.splat(1));
  const rounded = i32x4.add(i32x4.add(size, i32x4.splat(0xc8000fff)), odd);
  const normal = i32x4.shr_u(rounded, 13);
  // Subnormal ones: next to ½ the machine's own rounding is to units of 2⁻²⁴.
  const subnormal = i32x4.sub(f32x4.add(size, f32x4.splat(0.5)), i32x4.splat(0x3f000000));
  const special = v128.bitselect(
    i32x4.splat(0x7e00),
    i32x4.splat(0x7c00),
    i32x4.gt_u(size, i32x4.splat(0x7f800000)),
  );
  const finite = v128.bitselect(
    subnormal,
    normal,
    i32x4.lt_u(size, i32x4.splat(0x38800000)),
  );
  const whole = v128.bitselect(special, finite, i32x4.ge_u(size, i32x4.splat(0x47800000)));
  return v128.or(whole, i32x4.shr_u(sign, 16));
}

/** Stores four f32 as f16 numbers. */
@inline
export function storeHalf4(address: usize, x: v128): void {
  const patterns = toHalf4(x);
  v128.store64_lane(address, i16x8.narrow_i32x4_u(patterns, patterns), 0);
}
