// levels [B, H, N, T] of N = params.N: (−top, delta), delta = Σ d_out · out over D, exponents of 2
//
// The last step of N is the queries' own; those before it are blocks', which other kernels fill in.
// out f32 and d_out f16 [B, T, H, D]; 16 threads a query.

struct Params {
  out_at: u32,
  d_out_at: u32,
  top_at: u32,
  levels_at: u32,
  B: u32,
  T: u32,
  H: u32,
  N: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> out: array<f32>;
@group(0) @binding(2) var<storage, read> d_out: array<f16>;
@group(0) @binding(3) var<storage, read> top: array<f32>;
@group(0) @binding(4) var<storage, read_write> levels: array<vec2f>;

const LOG2_E = 1.4426950408889634;

var<workgroup> sums: array<array<f32, 16>, 16>;

@compute @workgroup_size(16, 16)
fn landmark_attention_half_prepare(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
) {
  let i = (group.x + group.y * groups.x) * 16 + lane.y;
  let is = i < params.B * params.T * params.H;
  var sum = 0.0;
  if (is) {
    for (var d = lane.x; d < D; d += 16) {
      let x = f32(d_out[params.d_out_at + i * D + d]);
      sum = fma(out[params.out_at + i * D + d], x, sum);
    }
  }
  sums[lane.y][lane.x] = sum;
  workgroupBarrier();
  if (lane.x > 0 || !is) { return; }
  var delta = 0.0;
  for (var x = 0u; x < 16; x++) { delta += sums[lane.y][x]; }
  let h = i % params.H;
  let t = i / params.H % params.T;
  let b = i / params.H / params.T;
  let at = ((b * params.H + h) * (params.N + 1) + params.N) * params.T + t;
  levels[params.levels_at / 2 + at] = vec2f(-LOG2_E * top[params.top_at + i], delta);
}
