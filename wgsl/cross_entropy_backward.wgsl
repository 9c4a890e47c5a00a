// dlogits [T, V] += scale · weights [T] · (softmax(logits [T, V]) − onehot(targets [T])); −1: nothing
//
// LANES threads a row, THREADS / LANES rows a workgroup. In front: log_sum_exp.wgsl.

struct Params {
  logits_at: u32,
  targets_at: u32,
  weights_at: u32,
  dlogits_at: u32,
  rows: u32,
  width: u32, // V
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> logits: array<Number>;
@group(0) @binding(2) var<storage, read> targets: array<i32>;
@group(0) @binding(3) var<storage, read> weights: array<f32>;
@group(0) @binding(4) var<storage, read_write> dlogits: array<Number>;

@compute @workgroup_size(THREADS)
fn cross_entropy_backward(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = (group.x + group.y * groups.x) * (THREADS / LANES) + thread / LANES;
  var goal = -1;
  if (row < params.rows) {
    goal = targets[params.targets_at + row];
  }
  let stride = params.width / WIDE;
  let length = select(0, stride, goal >= 0);
  let first = params.logits_at / WIDE + row * stride;
  let whole = log_sum_exp(thread, first, length);
  if (goal < 0) {
    return;
  }
  let factor = params.scale * weights[params.weights_at + row];
  let place = u32(goal);
  for (var c = thread % LANES; c < length; c += LANES) {
    var error = exp(logits[first + c] - whole.x) / whole.y;
    if (c == place / WIDE) {
      error -= unit(place % WIDE);
    }
    dlogits[params.dlogits_at / WIDE + row * stride + c] += factor * error;
  }
}
