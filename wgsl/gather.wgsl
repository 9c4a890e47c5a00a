// out [n, X] = x [R, X] at rows [n]; ROW is X / WIDE
//
// A row that does not exist, as −1 where no token could be taken, reads some other one.

struct Params {
  x_at: u32,
  rows_at: u32,
  out_at: u32,
  n: u32,
  R: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<Number>;
@group(0) @binding(2) var<storage, read> rows: array<i32>;
@group(0) @binding(3) var<storage, read_write> out: array<Number>;

@compute @workgroup_size(256)
fn gather(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i < params.n * ROW) {
    let row = min(u32(rows[params.rows_at + i / ROW]), params.R - 1);
    out[params.out_at / WIDE + i] = x[params.x_at / WIDE + row * ROW + i % ROW];
  }
}
