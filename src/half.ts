/**
 * Half-precision numbers, in bulk: 16-bit patterns of IEEE 754 binary16 (1 sign, 5 exponent and 10
 * fraction bits) and of bfloat16 (the upper half of an f32). `Float16Array` would do the first, but
 * Node 20 and older browsers have none.
 */

/** Writes the exact values of binary16 patterns to `out`, of the same length. */
export function halvesToFloats(halves: Uint16Array, out: Float32Array): Float32Array {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) {
    const half = halves[i];
    const exponent = half & 0x7c00;
    if (exponent === 0) {
      out[i] = (half & 0x3ff) * 2 ** -24; // subnormal or zero
      bits[i] |= (half & 0x8000) << 16;
    } else {
      // The exponent's bias goes from 15 to 127, or to the top for infinities and NaN.
      const rebias = exponent === 0x7c00 ? 224 << 23 : 112 << 23;
      bits[i] = ((half & 0x8000) << 16) | (((half & 0x7fff) << 13) + rebias);
    }
  }
  return out;
}

/** Writes the nearest binary16 patterns to `out`, ties to even; 65520 and beyond is infinite. */
export function floatsToHalves(floats: Float32Array, out: Uint16Array): Uint16Array {
  const bits = new Uint32Array(floats.buffer, floats.byteOffset, floats.length);
  const scratch = new Float32Array(1);
  const scratchBits = new Uint32Array(scratch.buffer);
  for (let i = 0; i < bits.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    const size = bits[i] & 0x7fffffff;
    if (size >= 0x477ff000) {
      out[i] = sign | (size > 0x7f800000 ? 0x7e00 : 0x7c00);
    } else if (size < 0x38800000) {
      // Below 2⁻¹⁴. An f32 just above ½ has the step of a subnormal half, and rounds as we must.
      scratch[0] = Math.abs(floats[i]) + 0.5;
      out[i] = sign | (scratchBits[0] - 0x3f000000);
    } else {
      const toEven = (size >> 13) & 1;
      out[i] = sign | ((size - (112 << 23) + 0xfff + toEven) >> 13);
    }
  }
  return out;
}

/** Writes the exact values of bfloat16 patterns to `out`, of the same length. */
export function brainsToFloats(brains: Uint16Array, out: Float32Array): Float32Array {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < bits.length; i++) bits[i] = brains[i] << 16;
  return out;
}
