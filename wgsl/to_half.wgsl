// to_half: an f32 as the nearest f16, ties to even, in the lower 16 bits of a word. What
// pack2x16float rounds to is the adapter's own affair, and stored blocks must be the same everywhere.

fn to_half(x: f32) -> u32 {
  let bits = bitcast<u32>(x);
  let sign = (bits >> 16) & 0x8000;
  let size = bits & 0x7fffffff;
  if (size >= 0x477ff000) {
    // From half way between the largest number and the next on: infinity, and what is no number.
    return sign | select(0x7c00u, 0x7e00u, size > 0x7f800000);
  }
  if (size >= 0x38800000) {
    // A fraction that rounds up to 2^10 carries into the exponent, as it should.
    return sign | ((size - 0x38000000 + 0xfff + ((size >> 13) & 1)) >> 13);
  }
  // Subnormal: steps of 2^-24.
  let shift = 126 - (size >> 23);
  if (shift > 24) {
    return sign;
  }
  let fraction = (size & 0x7fffff) | 0x800000;
  let kept = fraction >> shift;
  let rest = fraction & ((1u << shift) - 1);
  let middle = 1u << (shift - 1);
  let up = rest > middle || (rest == middle && (kept & 1) == 1);
  return sign | (kept + u32(up));
}

fn to_halves(first: f32, second: f32) -> u32 {
  return to_half(first) | (to_half(second) << 16);
}
