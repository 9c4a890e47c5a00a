/**
 * Half-precision numbers as 16-bit patterns (IEEE 754 binary16): 1 sign, 5 exponent, 10 fraction bits.
 */

/** The pattern nearest to x; ties go to the even one. */
export function toHalf(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const size = Math.abs(x);
  if (Number.isNaN(x)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00; // half way from the largest number to the next: infinity
  // Below 2⁻¹⁴ numbers are subnormal: the step no longer shrinks.
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  const steps = roundToEven(size * 2 ** (10 - exponent));
  // Added, not or-ed: a fraction that rounds up to 2¹⁰ carries into the exponent, as it should.
  return sign | ((exponent + 14) * 1024 + steps);
}

/** The number that a pattern stands for. */
export function fromHalf(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = pattern >> 10 & 31;
  const fraction = pattern & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Above 2⁵² an f64 has no fraction bits, so that the addition rounds as the machine does. */
function roundToEven(x: number): number {
  return x + 2 ** 52 - 2 ** 52;
}
