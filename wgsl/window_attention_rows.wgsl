// out f32 [B, T, H, D], sums [B, T, H] = attention of q [B, T, H, D] over a window of k and v
// [B, S, G, D], sums of exponentials by their logarithms
//
// One query at a time, of one head, for few of them. Keys are scored 64 at a time, a lane each; then
// all lanes walk over the weights in step, each with its columns of the values.
// Spec: src/device/reference/window_attention.ts. Constants: ROUNDS = ⌈D / 64⌉, RELATIVE positions.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  distances_at: u32,
  content_bias_at: u32,
  position_bias_at: u32,
  out_at: u32,
  sums_at: u32,
  B: u32,
  T: u32,
  S: u32,
  H: u32,
  G: u32,
  P: u32,
  window: u32,
  absent: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> distances: array<f32>; // [P, H, D]
@group(0) @binding(5) var<storage, read> content_bias: array<f32>; // [H, D]
@group(0) @binding(6) var<storage, read> position_bias: array<f32>; // [H, D]
@group(0) @binding(7) var<storage, read_write> out: array<f32>;
@group(0) @binding(8) var<storage, read_write> sums: array<u32>; // f32, by its bits

const NO_ROW = 0xffffffffu;
const LANES = 64u;
const LOWEST = -3.0e38; // stands for −∞
const MINUS_INFINITY = 0xff800000u;

/// The query as it meets keys, and distances.
var<workgroup> content: array<f32, LANES * ROUNDS>;
var<workgroup> position: array<f32, LANES * ROUNDS>;
/// Scores, then weights.
var<workgroup> weights: array<f32, LANES>;

@compute @workgroup_size(64)
fn window_attention_rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let row = group.x + group.y * groups.x; // of q [B · T · H, D]
  if (row >= params.B * params.T * params.H) { return; }
  let h = row % params.H;
  let t = row / params.H % params.T;
  let b = row / (params.H * params.T);
  let g = h / (params.H / params.G);
  load_query(row, h, lane);
  workgroupBarrier();

  let end = key_of(t) + 1;
  var most = LOWEST;
  var sum = 0.0;
  var values: array<f32, ROUNDS>;
  for (var start = first_seen(t); start < end; start += LANES) {
    let count = min(LANES, end - start);
    if (lane < count) {
      weights[lane] = score(key_row(b, start + lane, g), end - 1 - start - lane, h);
    }
    workgroupBarrier();
    var now = most;
    for (var c = 0u; c < count; c++) { now = max(now, weights[c]); }
    workgroupBarrier();
    if (lane < count) { weights[lane] = exp(weights[lane] - now); }
    workgroupBarrier();
    let fade = exp(most - now);
    most = now;
    sum *= fade;
    for (var r = 0u; r < ROUNDS; r++) { values[r] *= fade; }
    for (var c = 0u; c < count; c++) {
      let p = weights[c];
      let value = params.v_at + key_row(b, start + c, g) * D;
      sum += p;
      for (var r = 0u; r < ROUNDS; r++) {
        let d = r * LANES + lane;
        if (d < D) { values[r] = fma(p, v[value + d], values[r]); }
      }
    }
    workgroupBarrier();
  }

  let seen = sum > 0.0;
  for (var r = 0u; r < ROUNDS; r++) {
    let d = r * LANES + lane;
    if (d < D) { out[params.out_at + row * D + d] = select(0.0, values[r] / sum, seen); }
  }
  if (lane == 0) {
    sums[params.sums_at + row] = select(MINUS_INFINITY, bitcast<u32>(most + log(sum)), seen);
  }
}

fn load_query(row: u32, h: u32, lane: u32) {
  for (var d = lane; d < D; d += LANES) {
    let x = q[params.q_at + row * D + d];
    content[d] = x;
    if (RELATIVE == 1) {
      content[d] = x + content_bias[params.content_bias_at + h * D + d];
      position[d] = x + position_bias[params.position_bias_at + h * D + d];
    }
  }
}

/// The scaled score of a key, and of how far away it is.
fn score(key: u32, distance: u32, h: u32) -> f32 {
  let at = params.k_at + key * D;
  var sum = vec4f();
  for (var d = 0u; d < D; d += 4) {
    sum = fma(four_of_content(d), four_at_key(at, d), sum);
  }
  if (RELATIVE == 1) {
    let r = params.distances_at + distance_row(i32(distance), h) * D;
    for (var d = 0u; d < D; d += 4) {
      sum = fma(four_of_position(d), four_at_distance(r, d), sum);
    }
  }
  return params.scale * ((sum.x + sum.y) + (sum.z + sum.w));
}

// Four numbers from d on, 0 past the end of a row.

fn four_of_content(d: u32) -> vec4f {
  return vec4f(content[d], content[d + 1], content[d + 2], content[d + 3]);
}

fn four_of_position(d: u32) -> vec4f {
  return vec4f(position[d], position[d + 1], position[d + 2], position[d + 3]);
}

fn four_at_key(at: u32, d: u32) -> vec4f {
  if (d + 4 <= D) { return vec4f(k[at + d], k[at + d + 1], k[at + d + 2], k[at + d + 3]); }
  var x = vec4f();
  for (var i = 0u; d + i < D; i++) { x[i] = k[at + d + i]; }
  return x;
}

fn four_at_distance(at: u32, d: u32) -> vec4f {
  if (d + 4 <= D) {
    return vec4f(distances[at + d], distances[at + d + 1], distances[at + d + 2], distances[at + d + 3]);
  }
  var x = vec4f();
  for (var i = 0u; d + i < D; i++) { x[i] = distances[at + d + i]; }
  return x;
}
