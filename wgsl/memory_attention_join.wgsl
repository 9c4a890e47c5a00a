// out [T, H, D] = the means of a query's parts, weighted by the softmax of their gates
//
// parts f32: means [T, H, I, D], then gates [T, H, I]. With SECTION out holds one more mean, that of
// the section, and top [T, H] its gate. With SIGHTS i32 [S, 4] (see GpuBlocks) a query that is
// padding has no parts.
//
// One workgroup for each token and head, spread: 4 rows of 64 lanes.

struct Params {
  parts_at: u32,
  top_at: u32,
  sights_at: u32,
  out_at: u32,
  rows: u32, // T · H
  parts: u32, // I
  heads: u32, // H
  first_key: u32, // S - T
}

const LANES = 64u;
const ROWS = 4u;
const THREADS = LANES * ROWS;
const EACH = (D + LANES - 1) / LANES; // numbers of a lane
const LEAST = -3.0e38;
// Gates from here on stand for nothing seen.
const NOTHING = -2.0e38;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> parts: array<f32>;
@group(0) @binding(2) var<storage, read> top: array<f32>;
@group(0) @binding(3) var<storage, read> sights: array<i32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

var<workgroup> gates: array<f32, THREADS>; // the largest ones
var<workgroup> wholes: array<f32, ROWS>;
var<workgroup> sums: array<f32, THREADS * EACH>;

@compute @workgroup_size(THREADS)
fn memory_attention_join(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row_th = group.x + group.y * groups.x;
  if (row_th >= params.rows) {
    return;
  }
  let lane = thread % LANES;
  let row = thread / LANES;
  let out_at = params.out_at + row_th * D;
  var count = params.parts;
  if (SIGHTS == 1) {
    let i = params.first_key + row_th / params.heads;
    count = select(count, 0u, sights[params.sights_at + 4 * i] < 0);
  }
  let gates_at = params.parts_at + params.rows * params.parts * D + row_th * params.parts;
  let means_at = params.parts_at + row_th * params.parts * D;

  var largest = LEAST;
  if (SECTION == 1) {
    largest = top[params.top_at + row_th];
  }
  for (var i = thread; i < count; i += THREADS) {
    largest = max(largest, parts[gates_at + i]);
  }
  gates[thread] = largest;
  for (var step = THREADS / 2; step > 0; step /= 2) {
    workgroupBarrier();
    if (thread < step) {
      gates[thread] = max(gates[thread], gates[thread + step]);
    }
  }
  workgroupBarrier();
  largest = gates[0];

  // A row takes every fourth part; the first one the section too.
  var whole = 0.0;
  var mean: array<f32, EACH>;
  if (SECTION == 1 && row == 0) {
    let gate = top[params.top_at + row_th];
    whole = select(0.0, exp(gate - largest), gate > NOTHING);
    for (var e = 0u; e < EACH; e++) {
      let d = lane + e * LANES;
      if (d < D) {
        mean[e] = whole * out[out_at + d];
      }
    }
  }
  for (var i = row; i < count; i += ROWS) {
    let gate = parts[gates_at + i];
    let weight = select(0.0, exp(gate - largest), gate > NOTHING);
    whole += weight;
    for (var e = 0u; e < EACH; e++) {
      let d = lane + e * LANES;
      if (d < D) {
        mean[e] += weight * parts[means_at + i * D + d];
      }
    }
  }
  for (var e = 0u; e < EACH; e++) {
    sums[(row * EACH + e) * LANES + lane] = mean[e];
  }
  if (lane == 0) {
    wholes[row] = whole;
  }
  workgroupBarrier();

  whole = wholes[0] + wholes[1] + wholes[2] + wholes[3];
  for (var d = thread; d < D; d += THREADS) {
    var sum = 0.0;
    for (var r = 0u; r < ROWS; r++) {
      sum += sums[r * EACH * LANES + d];
    }
    out[out_at + d] = select(0.0, sum / whole, whole > 0);
  }
}
