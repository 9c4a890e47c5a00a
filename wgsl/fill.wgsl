// out [n] = value: words, whatever they hold; Number is a vector of WIDE of them

struct Params {
  out_at: u32, // in elements, which may be halves
  first: u32, // in words
  n: u32,
  value: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> out: array<Number>;

@compute @workgroup_size(256)
fn fill(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i < params.n / WIDE) {
    out[params.first / WIDE + i] = Number(params.value);
  }
}
