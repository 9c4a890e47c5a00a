// out f32 [B, m + n, X] = a [B, m, X] and b [B, n, X]

struct Params {
  a_at: u32,
  b_at: u32,
  out_at: u32,
  count: u32,
  a_row: u32, // m · X
  b_row: u32, // n · X
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn join_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.count) { return; }
  let row = i / (params.a_row + params.b_row);
  let column = i % (params.a_row + params.b_row);
  if (column < params.a_row) {
    out[params.out_at + i] = a[params.a_at + row * params.a_row + column];
  } else {
    out[params.out_at + i] = b[params.b_at + row * params.b_row + column - params.a_row];
  }
}
