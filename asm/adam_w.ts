import { groupStart, storeFirst } from "./simd";

/**
 * One step of `count` weights: g = gradient · scale · min(1, clip / (scale · √norm)),
 * mean += (g − mean) · (1 − β₁), variance += (g² − variance) · (1 − β₂),
 * weight −= weight · shrink + rate · mean / (√(variance · correction) + epsilon),
 * where rate holds the mean's correction already.
 */
export function adamW(
  part: u32,
  parts: u32,
  weight: usize,
  gradient: usize,
  mean: usize,
  variance: usize,
  norm: usize,
  count: u32,
  scale: f32,
  clip: f32,
  meanStep: f32,
  varianceStep: f32,
  rate: f32,
  correction: f32,
  epsilon: f32,
  shrink: f32,
): void {
  const length = scale * sqrt(load<f32>(norm));
  const factors = f32x4.splat(length > clip ? scale * clip / length : scale);
  const meanSteps = f32x4.splat(meanStep);
  const varianceSteps = f32x4.splat(varianceStep);
  const rates = f32x4.splat(rate);
  const corrections = f32x4.splat(correction);
  const epsilons = f32x4.splat(epsilon);
  const shrinks = f32x4.splat(shrink);
  const end = groupStart(count, part + 1, parts);
  for (let i = groupStart(count, part, parts); i < end; i += 4) {
    const at = <usize> i << 2;
    const g = f32x4.mul(v128.load(gradient + at), factors);
    const m = towards(v128.load(mean + at), g, meanSteps);
    const v = towards(v128.load(variance + at), f32x4.mul(g, g), varianceSteps);
    const root = f32x4.add(f32x4.sqrt(f32x4.mul(v, corrections)), epsilons);
    const w = v128.load(weight + at);
    const step = f32x4.add(f32x4.mul(w, shrinks), f32x4.div(f32x4.mul(m, rates), root));
    storeFirst(mean + at, m, end - i);
    storeFirst(variance + at, v, end - i);
    storeFirst(weight + at, f32x4.sub(w, step), end - i);
  }
}

/** x + (target − x) · step. */
@inline
function towards(x: v128, target: v128, step: v128): v128 {
  return f32x4.add(x, f32x4.mul(f32x4.sub(target, x), step));
}
