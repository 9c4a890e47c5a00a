// out [n, G, 2, M, D] = keys, then values [n · M, G, D], cut into blocks of M tokens
//
// HALF is 1 where out holds halves. One thread for two numbers that lie next to each other in out.

struct Params {
  k_at: u32,
  v_at: u32,
  out_at: u32,
  pairs: u32, // n · G · M · D
  kv_heads: u32, // G
  block_size: u32, // M
  head_dim: u32, // D
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<u32>;

// The number that belongs at place i of out.
fn sealed(i: u32) -> f32 {
  let d = i % params.head_dim;
  let m = i / params.head_dim % params.block_size;
  let part = i / params.head_dim / params.block_size;
  let g = part / 2 % params.kv_heads;
  let block = part / 2 / params.kv_heads;
  let source = ((block * params.block_size + m) * params.kv_heads + g) * params.head_dim + d;
  if (part % 2 == 0) {
    return k[params.k_at + source];
  }
  return v[params.v_at + source];
}

@compute @workgroup_size(64)
fn seal_blocks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let pair = (group.x + group.y * groups.x) * 64 + lane;
  if (pair >= params.pairs) {
    return;
  }
  let first = sealed(2 * pair);
  let second = sealed(2 * pair + 1);
  if (HALF == 1) {
    out[params.out_at / 2 + pair] = to_halves(first, second);
  } else {
    out[params.out_at + 2 * pair] = bitcast<u32>(first);
    out[params.out_at + 2 * pair + 1] = bitcast<u32>(second);
  }
}
