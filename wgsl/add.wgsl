// out [n] = a [n] + b [n]

struct Params {
  a_at: u32,
  b_at: u32,
  out_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Number>;
@group(0) @binding(2) var<storage, read> b: array<Number>;
@group(0) @binding(3) var<storage, read_write> out: array<Number>;

@compute @workgroup_size(256)
fn add(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i < params.n / WIDE) {
    out[params.out_at / WIDE + i] = a[params.a_at / WIDE + i] + b[params.b_at / WIDE + i];
  }
}
