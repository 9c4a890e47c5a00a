// matmul_f16_tensor.wgsl of numbers that were multiplied by half_factor(most_a) in a, of most_b in b.

struct Params {
  a_at: u32,
  b_at: u32,
  out_at: u32,
  most_a_at: u32,
  most_b_at: u32,
  m: u32,
  n: u32,
  k: u32,
  slice: u32, // steps of k that a workgroup sums, in tiles
}

const SCALED = true;

@group(0) @binding(4) var<storage, read> most_a: array<u32>;
@group(0) @binding(5) var<storage, read> most_b: array<u32>;

fn factor_of_product() -> f32 {
  return half_factor(most_a[params.most_a_at]) * half_factor(most_b[params.most_b_at]);
}
