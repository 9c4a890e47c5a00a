// out [n, X] = mean of x [R, X] over rows first[i] … first[i] + count − 1; ROW is X / WIDE

struct Params {
  x_at: u32,
  first_at: u32,
  out_at: u32,
  n: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Number>;
@group(0) @binding(2) var<storage, read> first: array<i32>;
@group(0) @binding(3) var<storage, read_write> out: array<Number>;

@compute @workgroup_size(64)
fn mean_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64 + lane;
  if (i >= params.n * ROW) {
    return;
  }
  let row = u32(first[params.first_at + i / ROW]);
  let at = params.x_at / WIDE + row * ROW + i % ROW;
  var sum = Number();
  for (var r = 0u; r < params.count; r++) {
    sum += x[at + r * ROW];
  }
  out[params.out_at / WIDE + i] = sum / f32(params.count);
}
