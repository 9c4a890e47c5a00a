// d_part f32 [B, m, X] += m rows of d_out [B, S, X], from one on

struct Params {
  d_out_at: u32,
  d_part_at: u32,
  count: u32,
  part_row: u32, // m · X
  out_row: u32, // S · X
  from_at: u32, // numbers in front, in a row of d_out
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> d_out: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_part: array<f32>;

@compute @workgroup_size(256)
fn join_rows_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.count) { return; }
  let at = i / params.part_row * params.out_row + params.from_at + i % params.part_row;
  d_part[params.d_part_at + i] += d_out[params.d_out_at + at];
}
