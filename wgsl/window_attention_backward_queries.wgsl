// d_q f32 [1, B, T, H, D] += scale · ds · k; with RELATIVE positions [2, B, T, H, D] = that, and scale ·
// ds · r, of every query and distance; and far [B, T, H] = Σ ds over all keys at distance P − 1 or
// more.
//
// A workgroup has 64 queries of one head and 64 of the D columns; it walks over the keys. The last
// queries go first.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  distances_at: u32,
  d_out_at: u32,
  levels_at: u32,
  d_q_at: u32,
  far_at: u32,
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
@group(0) @binding(7) var<storage, read_write> d_q: array<f32>;
@group(0) @binding(8) var<storage, read_write> far: array<f32>;

/// The slope of query `row` and its n-th distance in the tile, which weights_tile has by key.
fn met_slope(row: u32, n: u32) -> f32 {
  let column = n + row - (TILE - 1);
  let at = column % TILE;
  return select(0.0, weights_tile[at / STEP][at % STEP][row / 4][row % 4], column < TILE);
}

/// Adds the outer product of the n-th distance, row i of a step.
fn add_met(sum: Tile, n: u32, i: u32, at: Place) -> Tile {
  let row = step_rows[i][at.x];
  let y = 4 * at.y;
  let low = mat4x4f(
    met_slope(y, n) * row,
    met_slope(y + 1, n) * row,
    met_slope(y + 2, n) * row,
    met_slope(y + 3, n) * row,
  );
  let high = mat4x4f(
    met_slope(y + 32, n) * row,
    met_slope(y + 33, n) * row,
    met_slope(y + 34, n) * row,
    met_slope(y + 35, n) * row,
  );
  return Tile(sum.low + low, sum.high + high);
}

/// Adds slopes · distances.
fn add_distances(sum: Tile, t: u32, j: u32, h: u32, quad: u32, lane: u32, at: Place) -> Tile {
  let x = quad + lane % 16;
  let y = lane / 16;
  var total = sum;
  for (var n = 0u; n < 2 * TILE; n += STEP) {
    workgroupBarrier();
    step_rows[y][lane % 16] = key_quad(2, met_row(t, j, n + y, h), x);
    step_rows[y + 8][lane % 16] = key_quad(2, met_row(t, j, n + y + 8, h), x);
    workgroupBarrier();
    for (var i = 0u; i < STEP; i++) { total = add_met(total, n + i, i, at); }
  }
  return total;
}

/// Σ of a row's slopes to keys that are at least P − 1 away.
fn far_of(t: u32, keys: vec4i, slopes: vec4f) -> f32 {
  let last = vec4i(i32(key_of(t) + 1) - i32(params.P));
  return dot(select(vec4f(), slopes, keys <= last), vec4f(1.0));
}

fn far_of_four(t: u32, keys: vec4i, slopes: mat4x4f) -> vec4f {
  return vec4f(
    far_of(t, keys, slopes[0]),
    far_of(t + 1, keys, slopes[1]),
    far_of(t + 2, keys, slopes[2]),
    far_of(t + 3, keys, slopes[3]),
  );
}

/// Σ of what the 16 lanes have that share rows from t on; of rows at 32 + … on the other side.
fn put_far(b: u32, first: u32, h: u32, low: vec4f, high: vec4f, lane: u32, at: Place) {
  let slot = 16 * at.y + at.x;
  workgroupBarrier();
  query_slice[slot / 2][slot % 2 * 2] = low;
  query_slice[slot / 2][slot % 2 * 2 + 1] = high;
  workgroupBarrier();
  if (lane >= TILE || first + lane >= params.T) { return; }
  let y = lane % 32 / 4;
  var sum = 0.0;
  for (var x = 0u; x < 16; x++) {
    let slot_x = 16 * y + x;
    sum += query_slice[slot_x / 2][slot_x % 2 * 2 + lane / 32][lane % 4];
  }
  far[params.far_at + query_row(b, first + lane, h)] = sum;
}

fn put(b: u32, t: u32, h: u32, quad: u32, start: u32, dq: vec4f) {
  if (t >= params.T) { return; }
  let row = query_row(b, t, h);
  for (var i = 0u; i < 4; i++) {
    let d = quad * 4 + i;
    if (d >= D) { return; }
    d_q[params.d_q_at + start + row * D + d] += params.scale * dq[i];
  }
}

fn put_rows(b: u32, t: u32, h: u32, quad: u32, start: u32, dq: Tile) {
  put(b, t, h, quad, start, dq.low[0]);
  put(b, t + 1, h, quad, start, dq.low[1]);
  put(b, t + 2, h, quad, start, dq.low[2]);
  put(b, t + 3, h, quad, start, dq.low[3]);
  put(b, t + 32, h, quad, start, dq.high[0]);
  put(b, t + 33, h, quad, start, dq.high[1]);
  put(b, t + 34, h, quad, start, dq.high[2]);
  put(b, t + 35, h, quad, start, dq.high[3]);
}

@compute @workgroup_size(128)
fn window_attention_backward_queries(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let first = (groups.x - 1 - group.x) * TILE;
  let h = group.y % params.H;
  let quad = group.y / params.H * 16;
  let g = h / (params.H / params.G);
  let b = group.z;
  let query0 = query_row(b, first + lane / SLICE, h);
  let query1 = query_row(b, first + 32 + lane / SLICE, h);
  let t = first + 4 * at.y;
  let end = key_of(min(first + TILE, params.T));
  var dq = Tile();
  var met = Tile();
  var far_low = vec4f();
  var far_high = vec4f();
  for (var key = first_seen(first) / TILE * TILE; key < end; key += TILE) {
    let key0 = key_row(b, key + lane / SLICE, g);
    let key1 = key_row(b, key + 32 + lane / SLICE, g);
    let rows = Rows(query0, query1, key0, key1);
    let keys = i32(key + 4 * at.x) + vec4i(0, 1, 2, 3);
    let s = scores(rows, first, key, h, lane, at);
    let e = products(1, rows, lane, at);
    let low = slopes_of_four(b, t, h, weights_of_four(b, t, h, keys, s.low), e.low);
    let high = slopes_of_four(b, t + 32, h, weights_of_four(b, t + 32, h, keys, s.high), e.high);
    put_turned(low, high, at);
    dq = add_keys(dq, 0, b, key, g, quad, lane, at);
    if (RELATIVE == 1) {
      met = add_distances(met, first, key, h, quad, lane, at);
      far_low += far_of_four(t, keys, low);
      far_high += far_of_four(t + 32, keys, high);
    }
  }
  put_rows(b, t, h, quad + at.x, 0, dq);
  if (RELATIVE == 1) {
    put_rows(b, t, h, quad + at.x, params.B * params.T * params.H * D, met);
    if (quad == 0) { put_far(b, first, h, far_low, far_high, lane, at); }
  }
}
