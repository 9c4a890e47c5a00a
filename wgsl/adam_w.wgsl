// weight [n] −= mean_rate · mean / (√(variance · correction) + epsilon) + decay · weight
//
// The moments move first: mean += fresh_mean · (g − mean), variance += fresh_variance · (g² − variance),
// with g = gradient [n] · scale · min(1, clip / (scale · √norm)); norm [1] is a sum of squares.

struct Params {
  weight_at: u32,
  gradient_at: u32,
  mean_at: u32,
  variance_at: u32,
  norm_at: u32,
  n: u32,
  scale: f32,
  clip: f32,
  fresh_mean: f32, // 1 − β₁
  fresh_variance: f32, // 1 − β₂
  mean_rate: f32, // rate / (1 − β₁ᵗ)
  correction: f32, // 1 / (1 − β₂ᵗ)
  epsilon: f32,
  decay: f32, // rate · decay
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> weight: array<Number>;
@group(0) @binding(2) var<storage, read> gradient: array<Number>;
@group(0) @binding(3) var<storage, read_write> mean: array<Number>;
@group(0) @binding(4) var<storage, read_write> variance: array<Number>;
@group(0) @binding(5) var<storage, read> norm: array<f32>;

@compute @workgroup_size(256)
fn adam_w(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 256 + lane;
  if (i >= params.n / WIDE) {
    return;
  }
  let length = params.scale * sqrt(norm[params.norm_at]);
  var factor = params.scale;
  if (length > params.clip) {
    factor *= params.clip / length;
  }
  let g = gradient[params.gradient_at / WIDE + i] * factor;
  var m = mean[params.mean_at / WIDE + i];
  var v = variance[params.variance_at / WIDE + i];
  m += params.fresh_mean * (g - m);
  v += params.fresh_variance * (g * g - v);
  mean[params.mean_at / WIDE + i] = m;
  variance[params.variance_at / WIDE + i] = v;
  let w = weight[params.weight_at / WIDE + i];
  let direction = params.mean_rate * m / (sqrt(v * params.correction) + params.epsilon);
  weight[params.weight_at / WIDE + i] = w - params.decay * w - direction;
}
