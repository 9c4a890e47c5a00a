// levels f32 [B, T, H, 2] = (sums, Δ), Δ = Σ dOut · out over D; 16 lanes to a query and head

struct Params {
  out_at: u32,
  d_out_at: u32,
  sums_at: u32,
  levels_at: u32,
  count: u32, // B · T · H
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> out: array<f32>;
@group(0) @binding(2) var<storage, read> d_out: array<f32>;
@group(0) @binding(3) var<storage, read> sums: array<f32>;
@group(0) @binding(4) var<storage, read_write> levels: array<vec2f>;

var<workgroup> parts: array<array<f32, 16>, 16>;

@compute @workgroup_size(16, 16)
fn window_attention_backward_levels(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) lane: vec3u,
) {
  let row = (group.x + group.y * groups.x) * 16 + lane.y;
  let is = row < params.count;
  var sum = 0.0;
  if (is) {
    for (var d = lane.x; d < D; d += 16) {
      sum = fma(out[params.out_at + row * D + d], d_out[params.d_out_at + row * D + d], sum);
    }
  }
  parts[lane.y][lane.x] = sum;
  workgroupBarrier();
  if (lane.x > 0 || !is) { return; }
  var delta = 0.0;
  for (var x = 0u; x < 16; x++) { delta += parts[lane.y][x]; }
  levels[params.levels_at / 2 + row] = vec2f(sums[params.sums_at + row], delta);
}
