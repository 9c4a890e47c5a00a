// d_distances f32 [P, H, D] += scale · dsᵀ · (q + positionBias), by distance, of all but the last one
//
// A workgroup has 64 distances of one head, the furthest first, and 64 of the D columns; it walks over
// the queries of one batch row. A tile is of queries and distances here, and keys slide along.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  distances_at: u32,
  d_out_at: u32,
  levels_at: u32,
  d_distances_at: u32,
  B: u32,
  T: u32,
  S: u32,
  H: u32,
  G: u32,
  P: u32,
  window: u32,
  absent: u32,
  scale: f32,
  b: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(7) var<storage, read_write> d_distances: array<f32>;

/// The keys from one that is as far from the first query as the first distance, by query and distance.
fn shift(row: u32, column: u32) -> u32 {
  return row + column;
}

/// By query and distance: scores before they are scaled, and d_out · v.
struct Met {
  s: Tile,
  e: Tile,
}

fn meet(rows: Rows, j: i32, g: u32, lane: u32, at: Place) -> Met {
  var met = Met();
  // One loop, as compilers put what is called where it is called from.
  for (var part = 0u; part < 5; part++) {
    let half = (part + 1) % 2;
    var these = rows;
    if (part > 0) {
      let n = j + i32(half * TILE + lane / SLICE);
      these.key0 = met_key(n, g);
      these.key1 = met_key(n + 32, g);
    }
    let sums = products(select(select(0u, 1u, part > 2), 2u, part == 0), these, lane, at);
    if (part == 0) {
      met.s = sums;
    } else {
      let sheared = sheared(half, sums, at);
      if (part < 3) { met.s = added(met.s, sheared); } else { met.e = added(met.e, sheared); }
    }
  }
  return met;
}

fn met_key(j: i32, g: u32) -> u32 {
  if (j < 0) { return NO_ROW; }
  return key_row(params.b, u32(j), g);
}

fn put(distance: i32, h: u32, quad: u32, x: vec4f) {
  if (distance < 0 || distance + 1 >= i32(params.P)) { return; }
  for (var i = 0u; i < 4; i++) {
    let d = quad * 4 + i;
    if (d >= D) { return; }
    d_distances[params.d_distances_at + (u32(distance) * params.H + h) * D + d] +=
      params.scale * x[i];
  }
}

@compute @workgroup_size(128)
fn window_attention_backward_distances(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let furthest = i32(group.x * TILE + TILE - 1);
  let h = group.y % params.H;
  let quad = group.y / params.H * 16;
  let g = h / (params.H / params.G);
  let b = params.b;
  var sum = Tile();
  for (var first = 0u; first < params.T; first += TILE) {
    // The last query is too near to the first key.
    if (key_of(min(first + TILE, params.T) - 1) < group.x * TILE) { continue; }
    let query0 = query_row(b, first + lane / SLICE, h);
    let query1 = query_row(b, first + 32 + lane / SLICE, h);
    let distance0 = distance_row(furthest - i32(lane / SLICE), h);
    let distance1 = distance_row(furthest - i32(32 + lane / SLICE), h);
    let rows = Rows(query0, query1, distance0, distance1);
    let j = i32(key_of(first)) - furthest;
    let t = first + 4 * at.y;
    let met = meet(rows, j, g, lane, at);
    let low = slopes(b, t, h, j, met.s.low, met.e.low, at);
    let high = slopes(b, t + 32, h, j + 32, met.s.high, met.e.high, at);
    workgroupBarrier();
    put_tile(low, high, at);
    sum = add_queries(sum, 2, b, first, h, quad, lane, at);
  }
  let distance = furthest - i32(4 * at.y);
  put(distance, h, quad + at.x, sum.low[0]);
  put(distance - 1, h, quad + at.x, sum.low[1]);
  put(distance - 2, h, quad + at.x, sum.low[2]);
  put(distance - 3, h, quad + at.x, sum.low[3]);
  put(distance - 32, h, quad + at.x, sum.high[0]);
  put(distance - 33, h, quad + at.x, sum.high[1]);
  put(distance - 34, h, quad + at.x, sum.high[2]);
  put(distance - 35, h, quad + at.x, sum.high[3]);
}

/// The gradients of the scores of four queries from t on; the first one's keys begin at j.
fn slopes(b: u32, t: u32, h: u32, j: i32, s: mat4x4f, e: mat4x4f, at: Place) -> mat4x4f {
  let keys = j + i32(4 * (at.y + at.x)) + vec4i(0, 1, 2, 3);
  let p = mat4x4f(
    weights(level_of(b, t, h), t, keys, s[0]),
    weights(level_of(b, t + 1, h), t + 1, keys + 1, s[1]),
    weights(level_of(b, t + 2, h), t + 2, keys + 2, s[2]),
    weights(level_of(b, t + 3, h), t + 3, keys + 3, s[3]),
  );
  return slopes_of_four(b, t, h, p, e);
}
