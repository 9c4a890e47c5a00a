// dK, dV f32 [B, S, G, D] += the gradients of landmark attention: dV = pᵀ · dOut, dK = slopesᵀ · q.
//
// A workgroup has 64 keys of one key/value head, and 64 of the D columns; it walks over the queries
// of all heads that read them, so that nobody else adds to its rows.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  d_out_at: u32,
  levels_at: u32,
  sights_at: u32,
  d_k_at: u32,
  d_v_at: u32,
  b_first: u32,
  t_first: u32,
  t_count: u32,
  T: u32,
  S: u32,
  H: u32,
  G: u32,
  N: u32,
  row_keys: u32,
  scale: f32,
  foreign_bias: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(5) var<storage, read> kept_levels: array<vec2f>;
@group(0) @binding(7) var<storage, read_write> d_k: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_v: array<f32>;

/// Adds weights_tileᵀ · q, or · d_out on the other side; the columns of q from 4 · quad on.
fn add_queries(
  sum: Tile,
  side: u32,
  b: u32,
  t: u32,
  h: u32,
  quad: u32,
  lane: u32,
  at: Place,
) -> Tile {
  let x = quad + lane % 16;
  let y = lane / 16;
  var total = sum;
  var next0 = query_quad(side, query_row(b, t + y, h), x);
  var next1 = query_quad(side, query_row(b, t + y + 8, h), x);
  for (var step = 0u; step < TILE / STEP; step++) {
    let turn = step % BUFFERS * STEP;
    if (BUFFERS == 1 || step == 0) { workgroupBarrier(); }
    step_rows[turn + y][lane % 16] = next0;
    step_rows[turn + y + 8][lane % 16] = next1;
    workgroupBarrier();
    if (step + 1 < TILE / STEP) {
      next0 = query_quad(side, query_row(b, t + (step + 1) * STEP + y, h), x);
      next1 = query_quad(side, query_row(b, t + (step + 1) * STEP + y + 8, h), x);
    }
    total = add_step(total, step, at);
  }
  return total;
}

/// What a lane has in the tile's row of query t: weights of scores, then their gradients.
fn weigh(keys: Keys, b: u32, first: u32, t: u32, row: u32, x: u32, s: vec4f) {
  let query = look_as_query(b, first + t);
  let levels = look_at_levels(keys, row + first + t);
  weights_tile[t / STEP][t % STEP][x] = weights(keys, query, levels, s);
}

fn slope_weighed(keys: Keys, b: u32, first: u32, t: u32, row: u32, x: u32, e: vec4f) {
  let query = look_as_query(b, first + t);
  let levels = look_at_levels(keys, row + first + t);
  let p = weights_tile[t / STEP][t % STEP][x];
  weights_tile[t / STEP][t % STEP][x] = slopes(keys, query, levels, p, e);
}

fn weigh_rows(keys: Keys, b: u32, first: u32, row: u32, at: Place, s: Tile) {
  if (SPELLED == 0) {
    for (var i = 0u; i < 8; i++) {
      weigh(keys, b, first, 4 * at.y + step_of(i), row, at.x, row_of(s, i));
    }
    return;
  }
  weigh(keys, b, first, 4 * at.y, row, at.x, s.low[0]);
  weigh(keys, b, first, 4 * at.y + 1, row, at.x, s.low[1]);
  weigh(keys, b, first, 4 * at.y + 2, row, at.x, s.low[2]);
  weigh(keys, b, first, 4 * at.y + 3, row, at.x, s.low[3]);
  weigh(keys, b, first, 4 * at.y + 32, row, at.x, s.high[0]);
  weigh(keys, b, first, 4 * at.y + 33, row, at.x, s.high[1]);
  weigh(keys, b, first, 4 * at.y + 34, row, at.x, s.high[2]);
  weigh(keys, b, first, 4 * at.y + 35, row, at.x, s.high[3]);
}

fn slope_rows(keys: Keys, b: u32, first: u32, row: u32, at: Place, e: Tile) {
  if (SPELLED == 0) {
    for (var i = 0u; i < 8; i++) {
      slope_weighed(keys, b, first, 4 * at.y + step_of(i), row, at.x, row_of(e, i));
    }
    return;
  }
  slope_weighed(keys, b, first, 4 * at.y, row, at.x, e.low[0]);
  slope_weighed(keys, b, first, 4 * at.y + 1, row, at.x, e.low[1]);
  slope_weighed(keys, b, first, 4 * at.y + 2, row, at.x, e.low[2]);
  slope_weighed(keys, b, first, 4 * at.y + 3, row, at.x, e.low[3]);
  slope_weighed(keys, b, first, 4 * at.y + 32, row, at.x, e.high[0]);
  slope_weighed(keys, b, first, 4 * at.y + 33, row, at.x, e.high[1]);
  slope_weighed(keys, b, first, 4 * at.y + 34, row, at.x, e.high[2]);
  slope_weighed(keys, b, first, 4 * at.y + 35, row, at.x, e.high[3]);
}

fn put(b: u32, j: u32, g: u32, quad: u32, dk: vec4f, dv: vec4f) {
  if (j >= params.S) { return; }
  let row = (b * params.S + j) * params.G + g;
  let value = has_value(b, j);
  for (var i = 0u; i < 4; i++) {
    let d = quad * 4 + i;
    if (d >= D) { return; }
    d_k[params.d_k_at + row * D + d] += params.scale * dk[i];
    if (value) { d_v[params.d_v_at + row * D + d] += dv[i]; }
  }
}

fn put_rows(b: u32, j: u32, g: u32, quad: u32, dk: Tile, dv: Tile) {
  if (SPELLED == 0) {
    for (var i = 0u; i < 8; i++) {
      put(b, j + step_of(i), g, quad, row_of(dk, i), row_of(dv, i));
    }
    return;
  }
  put(b, j, g, quad, dk.low[0], dv.low[0]);
  put(b, j + 1, g, quad, dk.low[1], dv.low[1]);
  put(b, j + 2, g, quad, dk.low[2], dv.low[2]);
  put(b, j + 3, g, quad, dk.low[3], dv.low[3]);
  put(b, j + 32, g, quad, dk.high[0], dv.high[0]);
  put(b, j + 33, g, quad, dk.high[1], dv.high[1]);
  put(b, j + 34, g, quad, dk.high[2], dv.high[2]);
  put(b, j + 35, g, quad, dk.high[3], dv.high[3]);
}

@compute @workgroup_size(128)
fn landmark_attention_backward_keys(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let first = group.y * TILE;
  let g = group.x % params.G;
  let quad = group.x / params.G * 16;
  let b = params.b_first + group.z;
  let key0 = key_row(b, first + lane / SLICE, g);
  let key1 = key_row(b, first + 32 + lane / SLICE, g);
  let keys = look_at_keys(b, first + 4 * at.x);
  let ratio = params.H / params.G;
  var dk = Tile();
  var dv = Tile();
  for (var h = g * ratio; h < (g + 1) * ratio; h++) {
    let row = (group.z * params.H + h) * (params.N + 1) * params.t_count;
    for (var t = first_query(first) / TILE * TILE; t < params.t_count; t += TILE) {
      if (first_key(b, t) >= first + TILE) { continue; }
      let query0 = query_row(b, t + lane / SLICE, h);
      let query1 = query_row(b, t + 32 + lane / SLICE, h);
      let rows = Rows(query0, query1, key0, key1);
      let s = products(0, rows, lane, at);
      weigh_rows(keys, b, t, row, at, s);
      dv = add_queries(dv, 1, b, t, h, quad, lane, at);
      let e = products(1, rows, lane, at);
      slope_rows(keys, b, t, row, at, e);
      dk = add_queries(dk, 0, b, t, h, quad, lane, at);
    }
  }
  put_rows(b, first + 4 * at.y, g, quad + at.x, dk, dv);
}
