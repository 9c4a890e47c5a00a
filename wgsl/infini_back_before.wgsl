// d_initial f32 [G][D, D + 1], d_before f32 [B, G][D, D + 1] += the gradients d_fronts
// [B, S, G][D, D + 1] of the segments that begin from them

const SIZE = D * (D + 1);

struct Params {
  segments_at: u32,
  d_fronts_at: u32,
  d_initial_at: u32,
  d_before_at: u32,
  T: u32,
  B: u32,
  G: u32,
  S: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> segments: array<i32>;
@group(0) @binding(2) var<storage, read> d_fronts: array<f32>;
@group(0) @binding(3) var<storage, read_write> d_initial: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_before: array<f32>;

@compute @workgroup_size(64)
fn infini_back_before(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64 + lane; // of G · SIZE
  if (i >= params.G * SIZE) { return; }
  var initial = 0.0;
  for (var b = 0u; b < params.B; b++) {
    for (var s = 0u; s < params.S; s++) {
      let front = params.d_fronts_at + (b * params.S + s) * params.G * SIZE + i;
      if (segment_at(b, s).from_initial) {
        initial += d_fronts[front];
      } else if (s == 0) {
        d_before[params.d_before_at + b * params.G * SIZE + i] += d_fronts[front];
      }
    }
  }
  d_initial[params.d_initial_at + i] += initial;
}
