// out [T, H, D] = x turned: (a·c − b·s, b·c + a·s), a and b half a head apart, (c, s) = rotations[position]
//
// One thread for WIDE pairs; HALF is D / 2 / WIDE, HEADS is H, and ACCUMULATE = 1 adds to out. How x
// is read stands in front: rope_from.wgsl or rope_in_place.wgsl.

struct Params {
  positions_at: u32,
  rotations_at: u32,
  out_at: u32,
  x_at: u32,
  rows: u32, // T
  sign: f32, // −1 turns back
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> positions: array<i32>;
@group(0) @binding(2) var<storage, read> rotations: array<Number>;
@group(0) @binding(3) var<storage, read_write> out: array<Number>;

@compute @workgroup_size(256)
fn rope(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.rows * HEADS * HALF) {
    return;
  }
  let pair = i % HALF;
  let head = i / HALF;
  let position = u32(positions[params.positions_at + head / HEADS]);
  let turn = params.rotations_at / WIDE + 2 * (position * HALF + pair);
  let c = firsts(rotations[turn], rotations[turn + 1]);
  let s = seconds(rotations[turn], rotations[turn + 1]) * params.sign;
  let first = head * 2 * HALF + pair;
  let a = read_x(first);
  let b = read_x(first + HALF);
  write_out(first, a * c - b * s);
  write_out(first + HALF, b * c + a * s);
}

fn write_out(i: u32, value: Number) {
  let at = params.out_at / WIDE + i;
  if (ACCUMULATE == 1) {
    out[at] += value;
  } else {
    out[at] = value;
  }
}
