import { exp4, logOf } from "./math";
import { maxLanes, partStart, storeFirst, sumLanes } from "./simd";

/** losses [rows] = weights · (log Σ eˣ − x[target]) of rows of `width` logits; target −1: 0. */
export function crossEntropy(
  part: u32,
  parts: u32,
  logits: usize,
  targets: usize,
  weights: usize,
  losses: usize,
  rows: u32,
  width: u32,
): void {
  const bytes = <usize> width << 2;
  const end = partStart(rows, part + 1, parts);
  for (let t = partStart(rows, part, parts); t < end; t++) {
    const target = load<i32>(targets + (<usize> t << 2));
    let loss: f32 = 0;
    if (target >= 0) {
      const row = logits + t * bytes;
      const largest = maxOf(row, width);
      const chosen = load<f32>(row + (<usize> target << 2));
      loss = logOf(expSum(row, width, largest)) + (largest - chosen);
      loss *= load<f32>(weights + (<usize> t << 2));
    }
    store<f32>(losses + (<usize> t << 2), loss);
  }
}

/** dLogits += scale · weights · (softmax(logits) − onehot(target)). */
export function crossEntropyBackward(
  part: u32,
  parts: u32,
  logits: usize,
  targets: usize,
  weights: usize,
  dLogits: usize,
  rows: u32,
  width: u32,
  scale: f32,
): void {
  const bytes = <usize> width << 2;
  const end = partStart(rows, part + 1, parts);
  for (let t = partStart(rows, part, parts); t < end; t++) {
    const target = load<i32>(targets + (<usize> t << 2));
    if (target < 0) continue;
    const row = logits + t * bytes;
    const dRow = dLogits + t * bytes;
    const largest = maxOf(row, width);
    const factor = scale * load<f32>(weights + (<usize> t << 2));
    addSoftmax(row, dRow, width, largest, factor / expSum(row, width, largest));
    const dTarget = dRow + (<usize> target << 2);
    store<f32>(dTarget, load<f32>(dTarget) - factor);
  }
}

/** y += factor · e^(x − largest). */
@inline
function addSoftmax(x: usize, y: usize, width: u32, largest: f32, factor: f32): void {
  const shifts = f32x4.splat(largest);
  const factors = f32x4.splat(factor);
  for (let i: u32 = 0; i < width; i += 4) {
    const at = <usize> i << 2;
    const power = exp4(f32x4.sub(v128.load(x + at), shifts));
    const sum = f32x4.add(v128.load(y + at), f32x4.mul(power, factors));
    storeFirst(y + at, sum, width - i);
  }
}
@inline
function maxOf(x: usize, width: u32): f32 {
  let largest = load<f32>(x);
  let i: u32 = 0;
  if (width >= 4) {
    let lanes = v128.load(x);
    for (; i + 4 <= width; i += 4) lanes = f32x4.pmax(lanes, v128.load(x + (<usize> i << 2)));
    largest = maxLanes(lanes);
  }
  for (; i < width; i++) largest = max(largest, load<f32>(x + (<usize> i << 2)));
  return largest;
}

/** Σ e^(x − largest). */
@inline
function expSum(x: usize, width: u32, largest: f32): f32 {
  const shifts = f32x4.splat(largest);
  let sum = f32x4.splat(0);
  let i: u32 = 0;
  for (; i + 4 <= width; i += 4) {
    sum = f32x4.add(sum, exp4(f32x4.sub(v128.load(x + (<usize> i << 2)), shifts)));
  }
  if (i < width) {
    const powers = exp4(f32x4.sub(v128.load(x + (<usize> i << 2)), shifts));
    const lanes = i32x4.lt_u(i32x4(0, 1, 2, 3), i32x4.splat(width - i));
    sum = f32x4.add(sum, v128.and(powers, lanes));
  }
  return sumLanes(sum);
}
