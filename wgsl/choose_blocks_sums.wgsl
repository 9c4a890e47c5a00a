// sums [rows] = log Σ exp of each row of scores [rows, n], n ≥ 1; one workgroup a row, spread

struct Params {
  scores_at: u32,
  sums_at: u32,
  rows: u32,
  n: u32,
}

const THREADS = 256u;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

var<workgroup> shared_numbers: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn choose_blocks_sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= params.rows) {
    return;
  }
  let at = params.scores_at + row * params.n;

  var most = scores[at];
  for (var j = lane; j < params.n; j += THREADS) {
    most = max(most, scores[at + j]);
  }
  shared_numbers[lane] = most;
  workgroupBarrier();
  for (var step = THREADS / 2; step > 0; step /= 2) {
    if (lane < step) {
      shared_numbers[lane] = max(shared_numbers[lane], shared_numbers[lane + step]);
    }
    workgroupBarrier();
  }
  most = shared_numbers[0];
  workgroupBarrier();

  var sum = 0.0;
  for (var j = lane; j < params.n; j += THREADS) {
    sum += exp(scores[at + j] - most);
  }
  shared_numbers[lane] = sum;
  workgroupBarrier();
  for (var step = THREADS / 2; step > 0; step /= 2) {
    if (lane < step) {
      shared_numbers[lane] += shared_numbers[lane + step];
    }
    workgroupBarrier();
  }
  if (lane == 0) {
    sums[params.sums_at + row] = most + log(shared_numbers[0]);
  }
}
