// out [T, H, D] = the means of a query's parts, weighted by the softmax of their gates
//
// parts f32: means [T, H, I, D], then gates [T, H, I]. With SECTION out holds one more mean, that of
// the section, and top [T, H] its gate. With SIGHTS i32 [S, 4] (see GpuBlocks) a query that is
// padding has no parts.
//
// One workgroup for each token and head, spread: 16 rows of 16 lanes, which have four numbers each. A
// row takes every 16th part, and asks for four of them at once.

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

const LANES = 16u;
const ROWS = 16u;
const THREADS = LANES * ROWS;
const COLUMNS = 4 * LANES; // of D at a time
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
var<workgroup> sums: array<vec4f, THREADS>;

// Numbers d … d + 3 of a mean; what is behind D is not used.
fn four(at: u32, d: u32) -> vec4f {
  let last = D - 1;
  return vec4f(
    parts[at + min(d, last)],
    parts[at + min(d + 1, last)],
    parts[at + min(d + 2, last)],
    parts[at + min(d + 3, last)],
  );
}

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

  for (var d0 = 0u; d0 < D; d0 += COLUMNS) {
    let d = d0 + 4 * lane;
    var whole = 0.0;
    var mean = vec4f();
    for (var i = row; i < count; i += 4 * ROWS) {
      let place = vec4u(i, i + ROWS, i + 2 * ROWS, i + 3 * ROWS);
      let is_part = place < vec4u(count);
      // A part behind the last one is the last one again, without a weight.
      let at = min(place, vec4u(count - 1));
      let x = four(means_at + at.x * D, d);
      let y = four(means_at + at.y * D, d);
      let z = four(means_at + at.z * D, d);
      let w = four(means_at + at.w * D, d);
      let gate = vec4f(
        parts[gates_at + at.x],
        parts[gates_at + at.y],
        parts[gates_at + at.z],
        parts[gates_at + at.w],
      );
      let weight = select(vec4f(), exp(gate - largest), is_part & (gate > vec4f(NOTHING)));
      whole += weight.x + weight.y + weight.z + weight.w;
      mean += weight.x * x + weight.y * y + weight.z * z + weight.w * w;
    }
    workgroupBarrier();
    sums[thread] = mean;
    if (lane == 0) {
      wholes[row] = whole;
    }
    workgroupBarrier();

    if (thread < COLUMNS && d0 + thread < D) {
      var gated = 0.0;
      var sum = 0.0;
      // The section is one part more.
      if (SECTION == 1) {
        let gate = top[params.top_at + row_th];
        if (gate > NOTHING) {
          gated = exp(gate - largest);
          sum = gated * out[out_at + d0 + thread];
        }
      }
      for (var r = 0u; r < ROWS; r++) {
        gated += wholes[r];
        sum += sums[r * LANES + thread / 4][thread % 4];
      }
      out[out_at + d0 + thread] = select(0.0, sum / gated, gated > 0);
    }
  }
}
