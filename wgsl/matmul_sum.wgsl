// out [n] = the sum over s of parts [slices, n], from the first slice on; ACCUMULATE adds it to out

struct Params {
  parts_at: u32,
  out_at: u32,
  n: u32,
  slices: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn matmul_sum(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.n) { return; }
  var sum = 0.0;
  if (ACCUMULATE == 1) { sum = out[params.out_at + i]; }
  for (var s = 0u; s < params.slices; s++) {
    sum += parts[params.parts_at + s * params.n + i];
  }
  out[params.out_at + i] = sum;
}
