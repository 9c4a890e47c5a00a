// d_local f32 [B, T, H, D] += (1 − σ(gate))·d_out, or d_out where nothing was read
//
// A thread has one number of a token; it looks for its segment.

struct Params {
  gate_at: u32,
  d_out_at: u32,
  segments_at: u32,
  d_local_at: u32,
  T: u32,
  H: u32,
  S: u32,
  count: u32, // B · T · H · D
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> gate: array<f32>;
@group(0) @binding(2) var<storage, read> d_out: array<f32>;
@group(0) @binding(3) var<storage, read> segments: array<i32>;
@group(0) @binding(4) var<storage, read_write> d_local: array<f32>;

@compute @workgroup_size(256)
fn infini_back_local(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = (group.x + group.y * groups.x) * 256 + lane;
  if (n >= params.count) { return; }
  let h = n / D % params.H;
  let t = n / D / params.H % params.T;
  let b = n / D / params.H / params.T;
  for (var s = 0u; s < params.S; s++) {
    let segment = segment_at(b, s);
    if (t < segment.first || t >= segment.end) { continue; }
    let rest = select(1.0, 1.0 - sigmoid(gate[params.gate_at + h]), segment.reads);
    d_local[params.d_local_at + n] += rest * d_out[params.d_out_at + n];
    return;
  }
}
