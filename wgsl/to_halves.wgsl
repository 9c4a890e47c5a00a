// halves f16 [n] = x f32 [n] times the factor that `most` at `slot` asks for; n a multiple of 4

struct Params {
  x_at: u32,
  most_at: u32,
  halves_at: u32,
  slot: u32,
  fours: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> most: array<u32>;
@group(0) @binding(3) var<storage, read_write> halves: array<vec2u>;

@compute @workgroup_size(256)
fn to_halves(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.fours) { return; }
  let four = half_factor(most[params.most_at + params.slot]) * x[params.x_at / 4 + i];
  halves[params.halves_at / 4 + i] = vec2u(pack2x16float(four.xy), pack2x16float(four.zw));
}
