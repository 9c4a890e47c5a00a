// out [n] += x [n], or out = x where ACCUMULATE is 0

struct Params {
  x_at: u32,
  out_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Number>;
@group(0) @binding(2) var<storage, read_write> out: array<Number>;

@compute @workgroup_size(256)
fn add_to(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i < params.n / WIDE) {
    var sum = x[params.x_at / WIDE + i];
    if (ACCUMULATE == 1) { sum += out[params.out_at / WIDE + i]; }
    out[params.out_at / WIDE + i] = sum;
  }
}
