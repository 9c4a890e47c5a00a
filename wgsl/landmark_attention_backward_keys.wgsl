// dK, dV f32 [B, S, G, D] += the gradients of landmark attention: dV = pᵀ · dOut, dK = slopesᵀ · q.
//
// A workgroup has 64 keys of one key/value head, and 64 of the D columns of both; or 128 columns, of
// dV where WIDE is 1 and of dK where it is 2: of 128 columns scores are then made twice and what dOut
// makes of values once, not both twice. It walks over the queries of all heads that read its keys, so
// that nobody else adds to its rows.

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

/// Adds to four columns of a row of dK, or of dV.
fn put(to_keys: bool, b: u32, j: u32, g: u32, quad: u32, sum: vec4f) {
  if (j >= params.S) { return; }
  let row = (b * params.S + j) * params.G + g;
  if (!to_keys && !has_value(b, j)) { return; }
  for (var i = 0u; i < 4; i++) {
    let d = quad * 4 + i;
    if (d >= D) { return; }
    if (to_keys) {
      d_k[params.d_k_at + row * D + d] += params.scale * sum[i];
    } else {
      d_v[params.d_v_at + row * D + d] += sum[i];
    }
  }
}

fn put_rows(to_keys: bool, b: u32, j: u32, g: u32, quad: u32, sums: Tile) {
  if (SPELLED == 0) {
    for (var i = 0u; i < 8; i++) { put(to_keys, b, j + step_of(i), g, quad, row_of(sums, i)); }
    return;
  }
  put(to_keys, b, j, g, quad, sums.low[0]);
  put(to_keys, b, j + 1, g, quad, sums.low[1]);
  put(to_keys, b, j + 2, g, quad, sums.low[2]);
  put(to_keys, b, j + 3, g, quad, sums.low[3]);
  put(to_keys, b, j + 32, g, quad, sums.high[0]);
  put(to_keys, b, j + 33, g, quad, sums.high[1]);
  put(to_keys, b, j + 34, g, quad, sums.high[2]);
  put(to_keys, b, j + 35, g, quad, sums.high[3]);
}

@compute @workgroup_size(128)
fn landmark_attention_backward_keys(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let first = group.y * TILE;
  let g = group.x % params.G;
  let quad = group.x / params.G * select(16u, 32u, WIDE > 0);
  let b = params.b_first + group.z;
  let key0 = key_row(b, first + lane / SLICE, g);
  let key1 = key_row(b, first + 32 + lane / SLICE, g);
  let keys = look_at_keys(b, first + 4 * at.x);
  let ratio = params.H / params.G;
  // dV and dK; or 64 columns of one of them, and the 64 behind.
  var sums = Tile();
  var more = Tile();
  for (var h = g * ratio; h < (g + 1) * ratio; h++) {
    let row = (group.z * params.H + h) * (params.N + 1) * params.t_count;
    for (var t = first_query(first) / TILE * TILE; t < params.t_count; t += TILE) {
      if (first_key(b, t) >= first + TILE) { continue; }
      let query0 = query_row(b, t + lane / SLICE, h);
      let query1 = query_row(b, t + 32 + lane / SLICE, h);
      let rows = Rows(query0, query1, key0, key1);
      let s = products(0, rows, lane, at);
      weigh_rows(keys, b, t, row, at, s);
      if (WIDE == 0) { sums = add_queries(sums, 1, b, t, h, quad, lane, at); }
      if (WIDE != 1) {
        let e = products(1, rows, lane, at);
        slope_rows(keys, b, t, row, at, e);
      }
      if (WIDE == 0) {
        more = add_queries(more, 0, b, t, h, quad, lane, at);
      } else {
        sums = add_queries(sums, 2 - WIDE, b, t, h, quad, lane, at);
        more = add_queries(more, 2 - WIDE, b, t, h, quad + 16, lane, at);
      }
    }
  }
  let j = first + 4 * at.y;
  put_rows(WIDE == 2, b, j, g, quad + at.x, sums);
  put_rows(WIDE != 1, b, j, g, quad + select(16u, 0u, WIDE == 0) + at.x, more);
}
