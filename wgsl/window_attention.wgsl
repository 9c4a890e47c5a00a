// out f32 [B, T, H, D], sums [B, T, H] = attention of q [B, T, H, D] over a window of k and v
// [B, S, G, D], sums of exponentials by their logarithms
//
// A workgroup has 64 queries of one head, and 64 of the D columns, or 128 if WIDE is not 0; it walks
// over the keys, online as flash attention (Dao et al., arXiv 2205.14135). The last queries go first.
// Spec: src/device/reference/window_attention.ts.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  distances_at: u32,
  d_out_at: u32, // of nothing: nobody asks for it here
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
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> sums: array<u32>; // f32, by its bits

const LOWEST = -3.0e38; // stands for −∞
const MINUS_INFINITY = 0xff800000u;

/// A number for each of a lane's rows: 4y …, then 32 + 4y ….
struct Eight {
  low: vec4f,
  high: vec4f,
}

/// Leaves eight numbers where the 16 lanes that share rows find them.
fn leave(x: Eight, at: Place) {
  let slot = 16 * at.y + at.x;
  workgroupBarrier();
  query_slice[slot / 2][slot % 2 * 2] = x.low;
  query_slice[slot / 2][slot % 2 * 2 + 1] = x.high;
  workgroupBarrier();
}

fn left_by(x: u32, at: Place) -> Eight {
  let slot = 16 * at.y + x;
  return Eight(query_slice[slot / 2][slot % 2 * 2], query_slice[slot / 2][slot % 2 * 2 + 1]);
}

/// The largest number of each row.
fn most_of_rows(x: Eight, at: Place) -> Eight {
  leave(x, at);
  var most = left_by(0, at);
  for (var i = 1u; i < 16; i++) {
    let other = left_by(i, at);
    most = Eight(max(most.low, other.low), max(most.high, other.high));
  }
  return most;
}

/// The sum of each row.
fn sum_of_rows(x: Eight, at: Place) -> Eight {
  leave(x, at);
  var sum = left_by(0, at);
  for (var i = 1u; i < 16; i++) {
    let other = left_by(i, at);
    sum = Eight(sum.low + other.low, sum.high + other.high);
  }
  return sum;
}

fn largest(x: vec4f) -> f32 {
  return max(max(x.x, x.y), max(x.z, x.w));
}

/// Scaled scores of four queries from t on; LOWEST where a query does not see the key.
fn shown(s: mat4x4f, t: u32, keys: vec4i) -> mat4x4f {
  let lowest = vec4f(LOWEST);
  return mat4x4f(
    select(lowest, params.scale * s[0], sees(t, keys)),
    select(lowest, params.scale * s[1], sees(t + 1, keys)),
    select(lowest, params.scale * s[2], sees(t + 2, keys)),
    select(lowest, params.scale * s[3], sees(t + 3, keys)),
  );
}

fn largest_of_four(s: mat4x4f) -> vec4f {
  return vec4f(largest(s[0]), largest(s[1]), largest(s[2]), largest(s[3]));
}

/// exp(s − most); 0 where nothing is shown, even if nothing was before.
fn powers(s: mat4x4f, most: vec4f) -> mat4x4f {
  return mat4x4f(
    select(exp(s[0] - most.x), vec4f(), s[0] == vec4f(LOWEST)),
    select(exp(s[1] - most.y), vec4f(), s[1] == vec4f(LOWEST)),
    select(exp(s[2] - most.z), vec4f(), s[2] == vec4f(LOWEST)),
    select(exp(s[3] - most.w), vec4f(), s[3] == vec4f(LOWEST)),
  );
}

fn sums_of_four(p: mat4x4f) -> vec4f {
  let one = vec4f(1.0);
  return vec4f(dot(p[0], one), dot(p[1], one), dot(p[2], one), dot(p[3], one));
}

fn scaled_four(m: mat4x4f, by: vec4f) -> mat4x4f {
  return mat4x4f(m[0] * by.x, m[1] * by.y, m[2] * by.z, m[3] * by.w);
}

fn scaled(m: Tile, by: Eight) -> Tile {
  return Tile(scaled_four(m.low, by.low), scaled_four(m.high, by.high));
}

fn put(b: u32, t: u32, h: u32, quad: u32, x: vec4f, sum: f32) {
  if (t >= params.T) { return; }
  let row = query_row(b, t, h);
  for (var i = 0u; i < 4; i++) {
    let d = quad * 4 + i;
    if (d >= D) { return; }
    out[params.out_at + row * D + d] = select(0.0, x[i] / sum, sum > 0.0);
  }
}

fn put_four(b: u32, t: u32, h: u32, quad: u32, x: mat4x4f, sum: vec4f) {
  put(b, t, h, quad, x[0], sum.x);
  put(b, t + 1, h, quad, x[1], sum.y);
  put(b, t + 2, h, quad, x[2], sum.z);
  put(b, t + 3, h, quad, x[3], sum.w);
}

fn put_sums(b: u32, t: u32, h: u32, most: vec4f, sum: vec4f) {
  for (var i = 0u; i < 4; i++) {
    if (t + i >= params.T) { return; }
    let value = bitcast<u32>(most[i] + log(sum[i]));
    sums[params.sums_at + query_row(b, t + i, h)] = select(MINUS_INFINITY, value, sum[i] > 0.0);
  }
}

@compute @workgroup_size(128)
fn window_attention(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let first = (groups.x - 1 - group.x) * TILE;
  let h = group.y % params.H;
  let part = group.y / params.H;
  let quad = part * select(16u, 32u, WIDE > 0);
  let g = h / (params.H / params.G);
  let b = group.z;
  let query0 = query_row(b, first + lane / SLICE, h);
  let query1 = query_row(b, first + 32 + lane / SLICE, h);
  let t = first + 4 * at.y;
  let end = key_of(min(first + TILE, params.T));
  var most = Eight(vec4f(LOWEST), vec4f(LOWEST));
  var sum = Eight();
  var values = Tile();
  var more = Tile();
  for (var key = first_seen(first) / TILE * TILE; key < end; key += TILE) {
    let key0 = key_row(b, key + lane / SLICE, g);
    let key1 = key_row(b, key + 32 + lane / SLICE, g);
    let keys = i32(key + 4 * at.x) + vec4i(0, 1, 2, 3);
    let s = scores(Rows(query0, query1, key0, key1), first, key, h, lane, at);
    let low = shown(s.low, t, keys);
    let high = shown(s.high, t + 32, keys);
    let here = most_of_rows(Eight(largest_of_four(low), largest_of_four(high)), at);
    let now = Eight(max(most.low, here.low), max(most.high, here.high));
    let fade = Eight(exp(most.low - now.low), exp(most.high - now.high));
    let p = Tile(powers(low, now.low), powers(high, now.high));
    most = now;
    sum.low = sum.low * fade.low + sums_of_four(p.low);
    sum.high = sum.high * fade.high + sums_of_four(p.high);
    put_turned(p.low, p.high, at);
    values = add_keys(scaled(values, fade), 1, b, key, g, quad, lane, at);
    if (WIDE > 0) { more = add_keys(scaled(more, fade), 1, b, key, g, quad + 16, lane, at); }
  }
  let whole = sum_of_rows(sum, at);
  put_four(b, t, h, quad + at.x, values.low, whole.low);
  put_four(b, t + 32, h, quad + at.x, values.high, whole.high);
  if (WIDE > 0) {
    put_four(b, t, h, quad + 16 + at.x, more.low, whole.low);
    put_four(b, t + 32, h, quad + 16 + at.x, more.high, whole.high);
  }
  if (part == 0 && at.x == 0) {
    put_sums(b, t, h, most.low, whole.low);
    put_sums(b, t + 32, h, most.high, whole.high);
  }
}
