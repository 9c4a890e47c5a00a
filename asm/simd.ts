// What every kernel needs of SIMD. One source gives two builds: with relaxed SIMD, `madd` is one
// instruction that may round once; without, a product and a sum.

/** a · b + c, in four lanes. */
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** c − a · b, in four lanes. */
@inline
export function nmadd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_nmadd(a, b, c);
  return f32x4.sub(c, f32x4.mul(a, b));
}

/** The sum of the four lanes, always in the same order. */
@inline
export function sumLanes(x: v128): f32 {
  return f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 1) +
    (f32x4.extract_lane(x, 2) + f32x4.extract_lane(x, 3));
}

/** The largest of the four lanes. */
@inline
export function maxLanes(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

/** Where part `part` of `parts` begins when `count` things are shared out evenly; ends where the next begins. */
@inline
export function partStart(count: u32, part: u32, parts: u32): u32 {
  return <u32> (<u64> count * part / parts);
}

/** Lanes 0 … count − 1 of a load, the others zero (the host lets a vector be read past the end). */
@inline
export function loadTail(address: usize, count: u32): v128 {
  const lanes = i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(count));
  return v128.and(v128.load(address), lanes);
}

/** Stores lanes 0 … count − 1, for counts of 1 to 3. */
@inline
export function storeTail(address: usize, x: v128, count: u32): void {
  v128.store_lane<f32>(address, x, 0);
  if (count > 1) v128.store_lane<f32>(address, x, 1, 4);
  if (count > 2) v128.store_lane<f32>(address, x, 2, 8);
}

/**
 * As partStart, in whole groups of 16 numbers (a cache line): an element is always computed in the
 * same lane of the same loop, and so to the same bits, however many parts there are.
 */
@inline
export function groupStart(count: u32, part: u32, parts: u32): u32 {
  return min(count, partStart((count + 15) >> 4, part, parts) << 4);
}

/** Stores all four lanes, or the first `count` if there are fewer: the end of a row. */
@inline
export function storeFirst(address: usize, x: v128, count: u32): void {
  if (count >= 4) v128.store(address, x);
  else storeTail(address, x, count);
}
