// out f32 [2, B, T, H, D] = q + contentBias, and q + positionBias: as keys meet it, and as distances do

struct Params {
  q_at: u32,
  content_bias_at: u32,
  position_bias_at: u32,
  out_at: u32,
  count: u32, // B · T · H · D
  width: u32, // H · D
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> content_bias: array<f32>;
@group(0) @binding(3) var<storage, read> position_bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn window_queries(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.count) { return; }
  let x = q[params.q_at + i];
  let column = i % params.width;
  out[params.out_at + i] = x + content_bias[params.content_bias_at + column];
  out[params.out_at + params.count + i] = x + position_bias[params.position_bias_at + column];
}
