// losses [T] = weights [T] · −log softmax(logits [T, V])[targets [T]]; target −1: 0
//
// LANES threads a row, THREADS / LANES rows a workgroup. In front: log_sum_exp.wgsl.

struct Params {
  logits_at: u32,
  targets_at: u32,
  weights_at: u32,
  losses_at: u32,
  rows: u32,
  width: u32, // V
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<Number>;
@group(0) @binding(2) var<storage, read> targets: array<i32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> losses: array<f32>;

@compute @workgroup_size(THREADS)
fn cross_entropy(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = (group.x + group.y * groups.x) * (THREADS / LANES) + thread / LANES;
  var goal = -1;
  if (row < params.rows) {
    goal = targets[params.targets_at + row];
  }
  let length = params.width / WIDE;
  let first = params.logits_at / WIDE + row * length;
  let whole = log_sum_exp(thread, first, select(0, length, goal >= 0));
  if (thread % LANES == 0 && row < params.rows) {
    var loss = 0.0;
    if (goal >= 0) {
      let place = u32(goal);
      let logit = sum_of(logits[first + place / WIDE] * unit(place % WIDE));
      loss = weights[params.weights_at + row] * (whole.x - logit + log(whole.y));
    }
    losses[params.losses_at + row] = loss;
  }
}
