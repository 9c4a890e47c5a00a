import { groupStart, loadTail, madd, partStart, storeFirst, sumLanes } from "./simd";

/** out [rows, width] = x · inverse · weight [width], inverse = 1 / √(mean(x²) + epsilon). */
export function rmsNorm(
  part: u32,
  parts: u32,
  x: usize,
  weight: usize,
  out: usize,
  rows: u32,
  width: u32,
  epsilon: f32,
): void {
  const bytes = <usize> width << 2;
  const end = partStart(rows, part + 1, parts);
  for (let t = partStart(rows, part, parts); t < end; t++) {
    const row = x + t * bytes;
    const out_t = out + t * bytes;
    const inverse = f32x4.splat(inverseNorm(row, width, epsilon));
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize> c << 2;
      const y = f32x4.mul(f32x4.mul(v128.load(row + at), inverse), v128.load(weight + at));
      storeFirst(out_t + at, y, width - c);
    }
  }
}

/**
 * dX += inverse · (g − y · mean(g · y)) with g = dOut · weight and y = x · inverse; the inverses
 * [rows] are kept for rmsNormBackwardWeight.
 */
export function rmsNormBackward(
  part: u32,
  parts: u32,
  x: usize,
  weight: usize,
  dOut: usize,
  dX: usize,
  inverses: usize,
  rows: u32,
  width: u32,
  epsilon: f32,
): void {
  const bytes = <usize> width << 2;
  const end = partStart(rows, part + 1, parts);
  for (let t = partStart(rows, part, parts); t < end; t++) {
    const x_t = x + t * bytes;
    const dOut_t = dOut + t * bytes;
    const dX_t = dX + t * bytes;
    const inverse = inverseNorm(x_t, width, epsilon);
    store<f32>(inverses + (<usize> t << 2), inverse);
    // y · mean(g · y) = x · inverse² · Σ g · x / width
    const mean = weightedDot(dOut_t, weight, x_t, width) * inverse * inverse / <f32> width;
    const means = f32x4.splat(mean);
    const factors = f32x4.splat(inverse);
    for (let c: u32 = 0; c < width; c += 4) {
      const at = <usize> c << 2;
      const g = f32x4.mul(v128.load(dOut_t + at), v128.load(weight + at));
      const change = f32x4.sub(g, f32x4.mul(v128.load(x_t + at), means));
      const sum = madd(change, factors, v128.load(dX_t + at));
      storeFirst(dX_t + at, sum, width - c);
    }
  }
}

/** dWeight += Σ over rows of dOut · x · inverse. Parts share the columns, rows come in order. */
export function rmsNormBackwardWeight(
  part: u32,
  parts: u32,
  x: usize,
  dOut: usize,
  inverses: usize,
  dWeight: usize,
  rows: u32,
  width: u32,
): void {
  const end = groupStart(width, part + 1, parts);
  let c = groupStart(width, part, parts);
  // A cache line of columns at a time, so that no line is read twice; then what is left.
  for (; c + 16 <= end; c += 16) addLine(x, dOut, inverses, dWeight, rows, width, c);
  for (; c < end; c += 4) {
    const at = <usize> c << 2;
    const sum = addFour(v128.load(dWeight + at), x + at, dOut + at, inverses, rows, width);
    storeFirst(dWeight + at, sum, end - c);
  }
}

/** Sixteen columns from c on. */
@inline
function addLine(
  x: usize,
  dOut: usize,
  inverses: usize,
  dWeight: usize,
  rows: u32,
  width: u32,
  c: u32,
): void {
  const at = dWeight + (<usize> c << 2);
  let sum0 = v128.load(at);
  let sum1 = v128.load(at, 16);
  let sum2 = v128.load(at, 32);
  let sum3 = v128.load(at, 48);
  for (let t: u32 = 0; t < rows; t++) {
    const row = <usize> (t * width + c) << 2;
    const inverse = v128.load32_splat(inverses + (<usize> t << 2));
    sum0 = madd(f32x4.mul(v128.load(x + row), inverse), v128.load(dOut + row), sum0);
    sum1 = madd(f32x4.mul(v128.load(x + row, 16), inverse), v128.load(dOut + row, 16), sum1);
    sum2 = madd(f32x4.mul(v128.load(x + row, 32), inverse), v128.load(dOut + row, 32), sum2);
    sum3 = madd(f32x4.mul(v128.load(x + row, 48), inverse), v128.load(dOut + row, 48), sum3);
  }
  v128.store(at, sum0);
  v128.store(at, sum1, 16);
  v128.store(at, sum2, 32);
  v128.store(at, sum3, 48);
}

/** Four columns, the first row of which stands at x and dOut. */
@inline
function addFour(
  sum: v128,
  x: usize,
  dOut: usize,
  inverses: usize,
  rows: u32,
  width: u32,
): v128 {
  for (let t: u32 = 0; t < rows; t++) {
    const row = <usize> (t * width) << 2;
    const inverse = v128.load32_splat(inverses + (<usize> t << 2));
    sum = madd(f32x4.mul(v128.load(x + row), inverse), v128.load(dOut + row), sum);
  }
  return sum;
}

/** 1 / √(mean(x²) + epsilon). */
@inline
function inverseNorm(x: usize, width: u32, epsilon: f32): f32 {
  let sum = f32x4.splat(0);
  let c: u32 = 0;
  for (; c + 4 <= width; c += 4) {
    const lanes = v128.load(x + (<usize> c << 2));
    sum = madd(lanes, lanes, sum);
  }
  const lanes = loadTail(x + (<usize> c << 2), width - c);
  sum = madd(lanes, lanes, sum);
  return 1 / sqrt(sumLanes(sum) / <f32> width + epsilon);
}

/** Σ a · b · c. */
@inline
function weightedDot(a: usize, b: usize, c: usize, width: u32): f32 {
  let sum = f32x4.splat(0);
  let i: u32 = 0;
  for (; i + 4 <= width; i += 4) {
    const at = <usize> i << 2;
    sum = madd(f32x4.mul(v128.load(a + at), v128.load(b + at)), v128.load(c + at), sum);
  }
  const at = <usize> i << 2;
  const rest = width - i;
  const product = f32x4.mul(loadTail(a + at, rest), loadTail(b + at, rest));
  return sumLanes(madd(product, loadTail(c + at, rest), sum));
}
