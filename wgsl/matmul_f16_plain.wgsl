// matmul_f16_tensor.wgsl of numbers as they are.

struct Params {
  a_at: u32,
  b_at: u32,
  out_at: u32,
  m: u32,
  n: u32,
  k: u32,
  slice: u32, // steps of k that a workgroup sums, in tiles
}

const SCALED = false;

fn factor_of_product() -> f32 {
  return 1.0;
}
