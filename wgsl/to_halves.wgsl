// halves f16 [n] = x f32 [n] times the factor that the largest of parts u32 [count] asks for, which
// goes to most u32 [1]; n a multiple of 4

struct Params {
  x_at: u32,
  parts_at: u32,
  halves_at: u32,
  most_at: u32,
  fours: u32,
  count: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> parts: array<u32>;
@group(0) @binding(3) var<storage, read_write> halves: array<vec2u>;
@group(0) @binding(4) var<storage, read_write> most: array<u32>;

var<workgroup> shared_most: atomic<u32>;

@compute @workgroup_size(256)
fn to_halves(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var own = 0u;
  for (var i = lane; i < params.count; i += 256) { own = max(own, parts[params.parts_at + i]); }
  atomicMax(&shared_most, own);
  workgroupBarrier();
  let whole = atomicLoad(&shared_most);
  if (group.x == 0 && lane == 0) { most[params.most_at] = whole; }
  let factor = half_factor(whole);
  for (var i = group.x * 256 + lane; i < params.fours; i += groups.x * 256) {
    let four = factor * x[params.x_at / 4 + i];
    halves[params.halves_at / 4 + i] = vec2u(pack2x16float(four.xy), pack2x16float(four.zw));
  }
}
