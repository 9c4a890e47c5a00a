// merits [sets, n] = the largest, over a set's rows of scores [T, H, n], of score − sum of the row
//
// The logarithm of the softmax, which gives the same order. One thread for each merit: blocks
// along x, sets along y and z. sums [T, H] are those of choose_blocks_sums.

struct Params {
  scores_at: u32,
  sums_at: u32,
  merits_at: u32,
  sets: u32,
  n: u32,
  rows: u32, // of a set
  set_step: u32, // rows from one set to the next
  row_step: u32, // rows from one row of a set to the next
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> scores: array<f32>;
@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> merits: array<f32>;

@compute @workgroup_size(64)
fn choose_blocks_merits(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let j = group.x * 64 + lane;
  let choice = group.y + group.z * groups.y;
  if (j >= params.n || choice >= params.sets) {
    return;
  }
  var most = 0.0;
  for (var r = 0u; r < params.rows; r++) {
    let row = choice * params.set_step + r * params.row_step;
    let merit = scores[params.scores_at + row * params.n + j] - sums[params.sums_at + row];
    most = select(max(most, merit), merit, r == 0);
  }
  merits[params.merits_at + choice * params.n + j] = most;
}
