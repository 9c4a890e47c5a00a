// out f32 [B, T, H, D] = scale · far [B, T, H] · (q + positionBias): what the last distance is given

struct Params {
  far_at: u32,
  q_at: u32,
  out_at: u32,
  count: u32, // B · T · H · D
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> far: array<f32>;
@group(0) @binding(2) var<storage, read> q: array<f32>; // the second half is q + positionBias
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn window_far(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.count) { return; }
  out[params.out_at + i] = params.scale * far[params.far_at + i / D] *
    q[params.q_at + params.count + i];
}
