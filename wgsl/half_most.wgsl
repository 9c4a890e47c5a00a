// most u32 [groups] = of what each workgroup sees, the bits of the largest |x|, which order as the
// numbers do; x f32, n fours

struct Params {
  x_at: u32,
  most_at: u32,
  fours: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> most: array<u32>;

var<workgroup> shared_most: atomic<u32>;

@compute @workgroup_size(256)
fn half_most(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  var own = vec4f();
  for (var i = group.x * 256 + lane; i < params.fours; i += groups.x * 256) {
    own = max(own, abs(x[params.x_at / 4 + i]));
  }
  atomicMax(&shared_most, bitcast<u32>(max(max(own.x, own.y), max(own.z, own.w))));
  workgroupBarrier();
  if (lane == 0) { most[params.most_at + group.x] = atomicLoad(&shared_most); }
}
