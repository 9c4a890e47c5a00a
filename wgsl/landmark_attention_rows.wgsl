// out [B, T, H, D], top [B, T, H] = landmark attention of q [B, T, H, D] over k and v [B, S, G, D]
//
// One query at a time, of one head: for any plan and any width. Keys are scored 64 at a time, a
// lane each; then all lanes walk over the scores in step, each with its columns of the values. A
// private group is summed by itself, and joins the top group with its landmark, which ends it.
// Spec: src/device/reference/grouped_softmax.ts. Constants: ROUNDS = ⌈D / 64⌉.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  sights_at: u32,
  foreign_k_at: u32,
  foreign_v_at: u32,
  index_at: u32,
  out_at: u32,
  top_at: u32,
  B: u32,
  T: u32,
  S: u32,
  H: u32,
  G: u32,
  D: u32,
  sights_row: u32, // numbers from a row's sights to the next row's: S, or 0 when rows are alike
  foreign: u32, // n: how many foreign blocks a row may see
  scale: f32,
  foreign_bias: f32, // added to their scores
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> sights: array<vec4i>; // [R, S], as GpuBlocks has them
@group(0) @binding(5) var<storage, read> foreign_k: array<f32>; // [N, G, D]
@group(0) @binding(6) var<storage, read> foreign_v: array<f32>; // [N, G, D]
@group(0) @binding(7) var<storage, read> index: array<i32>; // [B, n]
@group(0) @binding(8) var<storage, read_write> out: array<f32>;
@group(0) @binding(9) var<storage, read_write> top: array<u32>; // f32, by its bits

const LANES = 64u;
const LOWEST = -3.0e38; // stands for −∞
const MINUS_INFINITY = 0xff800000u;

const HIDDEN = 0u;
const TOP = 1u; // a regular token of the query's own block
const GATE = 2u; // the landmark of an earlier block
const PRIVATE = 3u; // a regular token of an earlier block

var<workgroup> query: array<f32, LANES * ROUNDS>;
var<workgroup> scores: array<f32, LANES>;
var<workgroup> kinds: array<u32, LANES>;
var<workgroup> entries: array<i32, LANES>;

/** A softmax under way, of one group: the largest score and the sum of exp(score − largest). */
struct Group {
  most: f32,
  sum: f32,
}

@compute @workgroup_size(64)
fn landmark_attention_rows(
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
  let width = params.G * params.D;
  let at = b * params.S * width + g * params.D; // of the row's keys and values
  let sights_at = params.sights_at / 4 + b * params.sights_row;
  let i = params.S - params.T + t;
  let sight = sights[sights_at + i];
  let present = sight.x >= 0;

  for (var r = 0u; r < ROUNDS; r++) {
    let d = r * LANES + lane;
    if (d < params.D) { query[d] = params.scale * q[params.q_at + row * params.D + d]; }
  }
  workgroupBarrier();

  var whole = Group(LOWEST, 0.0); // the top group
  var inner = Group(LOWEST, 0.0); // the private group that is being read
  var sums: array<f32, ROUNDS>; // Σ exp(score − whole.most) · value
  var inner_sums: array<f32, ROUNDS>;

  for (var start = u32(sight.y); start <= i; start += LANES) {
    let j = start + lane;
    var kind = HIDDEN;
    if (j <= i) { kind = kind_of(sights[sights_at + j].w, i32(j), sight.z); }
    kinds[lane] = kind;
    if (kind != HIDDEN) { scores[lane] = score(params.k_at + at + j * width); }
    workgroupBarrier();
    let count = min(LANES, i + 1 - start);
    for (var c = 0u; c < count; c++) {
      let s = scores[c];
      let kind = kinds[c];
      let value = params.v_at + at + (start + c) * width + lane;
      if (kind == PRIVATE) {
        let p = join(&inner, s, &inner_sums);
        for (var r = 0u; r < ROUNDS; r++) {
          inner_sums[r] = fma(p, value_at(value + r * LANES, r * LANES + lane), inner_sums[r]);
        }
      } else if (kind == TOP) {
        let p = join(&whole, s, &sums);
        for (var r = 0u; r < ROUNDS; r++) {
          sums[r] = fma(p, value_at(value + r * LANES, r * LANES + lane), sums[r]);
        }
      } else if (kind == GATE) {
        let p = join(&whole, s, &sums) / inner.sum;
        for (var r = 0u; r < ROUNDS; r++) {
          sums[r] = fma(p, inner_sums[r], sums[r]);
          inner_sums[r] = 0.0;
        }
        inner = Group(LOWEST, 0.0);
      }
    }
    workgroupBarrier();
  }

  let foreign = select(0u, params.foreign, present);
  for (var start = 0u; start < foreign; start += LANES) {
    let n = start + lane;
    var entry = -1;
    if (n < foreign) { entry = index[params.index_at + b * params.foreign + n]; }
    entries[lane] = entry;
    if (entry >= 0) { scores[lane] = foreign_score(u32(entry) * width + g * params.D); }
    workgroupBarrier();
    let count = min(LANES, foreign - start);
    for (var c = 0u; c < count; c++) {
      let entry = entries[c];
      if (entry < 0) { continue; }
      let p = join(&whole, scores[c], &sums);
      let value = params.foreign_v_at + u32(entry) * width + g * params.D;
      for (var r = 0u; r < ROUNDS; r++) {
        let d = r * LANES + lane;
        if (d < params.D) { sums[r] = fma(p, foreign_v[value + d], sums[r]); }
      }
    }
    workgroupBarrier();
  }

  let seen = whole.sum > 0.0;
  for (var r = 0u; r < ROUNDS; r++) {
    let d = r * LANES + lane;
    if (d < params.D) {
      out[params.out_at + row * params.D + d] = select(0.0, sums[r] / whole.sum, seen);
    }
  }
  if (lane == 0) {
    let value = bitcast<u32>(whole.most + log(whole.sum));
    top[params.top_at + row] = select(MINUS_INFINITY, value, seen);
  }
}

/** What a key at j is to a query whose block begins at `own`. */
fn kind_of(landmark: i32, j: i32, own: i32) -> u32 {
  if (j >= own) { return select(HIDDEN, TOP, landmark != j && landmark >= -1); }
  if (landmark < 0) { return HIDDEN; }
  return select(PRIVATE, GATE, landmark == j);
}

/** Takes a score in: its exp(score − most). What was summed so far is scaled to a larger `most`. */
fn join(
  into: ptr<function, Group>,
  score: f32,
  sums: ptr<function, array<f32, ROUNDS>>,
) -> f32 {
  if (score > (*into).most) {
    let scale = exp((*into).most - score);
    (*into).most = score;
    (*into).sum *= scale;
    for (var r = 0u; r < ROUNDS; r++) { (*sums)[r] *= scale; }
  }
  let p = exp(score - (*into).most);
  (*into).sum += p;
  return p;
}

/** query · the key that begins at `at`. */
fn score(at: u32) -> f32 {
  var sum = vec4f();
  var d = 0u;
  for (; d + 4 <= params.D; d += 4) {
    let x = vec4f(query[d], query[d + 1], query[d + 2], query[d + 3]);
    let y = vec4f(k[at + d], k[at + d + 1], k[at + d + 2], k[at + d + 3]);
    sum = fma(x, y, sum);
  }
  for (; d < params.D; d++) { sum.x = fma(query[d], k[at + d], sum.x); }
  return sum.x + sum.y + (sum.z + sum.w);
}

/** query · the foreign key that begins at `at`. */
fn foreign_score(at: u32) -> f32 {
  var sum = params.foreign_bias;
  for (var d = 0u; d < params.D; d++) {
    sum = fma(query[d], foreign_k[params.foreign_k_at + at + d], sum);
  }
  return sum;
}

/** A value, or 0 past the last column. */
fn value_at(at: u32, d: u32) -> f32 {
  if (d >= params.D) { return 0.0; }
  return v[at];
}
