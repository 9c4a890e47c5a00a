// levels [B, H, N, t] = (top, δ), δ = Σ dOut · out over D; for a query that sees nothing a top so
// large that every weight is zero. Of the queries from t_first on; 16 lanes each.

struct Params {
  out_at: u32,
  d_out_at: u32,
  top_at: u32,
  sights_at: u32,
  levels_at: u32,
  b_first: u32,
  b_count: u32,
  t_first: u32,
  t_count: u32,
  T: u32,
  S: u32,
  H: u32,
  N: u32,
  row_keys: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> out: array<f32>;
@group(0) @binding(2) var<storage, read> d_out: array<f32>;
@group(0) @binding(3) var<storage, read> top: array<f32>;
@group(0) @binding(4) var<storage, read> sights: array<vec4i>;
@group(0) @binding(5) var<storage, read_write> levels: array<vec2f>;

const NEVER = 3.0e38;

var<workgroup> sums: array<array<f32, 16>, 16>;

@compute @workgroup_size(16, 16)
fn landmark_attention_backward_prepare(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
) {
  let i = (group.x + group.y * groups.x) * 16 + lane.y;
  let is = i < params.b_count * params.t_count * params.H;
  let h = i % params.H;
  let t = i / params.H % params.t_count;
  let b = i / params.H / params.t_count;
  let row = ((params.b_first + b) * params.T + params.t_first + t) * params.H + h;
  var sum = 0.0;
  if (is) {
    for (var d = lane.x; d < D; d += 16) {
      sum = fma(out[params.out_at + row * D + d], d_out[params.d_out_at + row * D + d], sum);
    }
  }
  sums[lane.y][lane.x] = sum;
  workgroupBarrier();
  if (lane.x > 0 || !is) { return; }
  var delta = 0.0;
  for (var x = 0u; x < 16; x++) { delta += sums[lane.y][x]; }
  let key = params.S - params.T + params.t_first + t;
  let sees = sights[(params.b_first + b) * params.row_keys + key].y <= i32(key);
  let at = ((b * params.H + h) * (params.N + 1) + params.N) * params.t_count + t;
  levels[at] = vec2f(select(NEVER, top[params.top_at + row], sees), delta);
}
