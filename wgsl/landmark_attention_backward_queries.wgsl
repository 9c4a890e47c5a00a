// dQ f32 [B, T, H, D] += the gradients of landmark attention: dQ = slopes · k.
//
// A workgroup has 64 queries of one head, and 64 of the D columns, or 128 if WIDE is not 0; it
// walks over the keys. The last queries, which see the most, go first.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  d_out_at: u32,
  levels_at: u32,
  sights_at: u32,
  d_q_at: u32,
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
@group(0) @binding(7) var<storage, read_write> d_q: array<f32>;

/// Adds weights_tileᵀ · k; the columns of k from 4 · quad on.
fn add_keys(sum: Tile, b: u32, key: u32, g: u32, quad: u32, lane: u32, at: Place) -> Tile {
  let x = quad + lane % 16;
  let y = lane / 16;
  var total = sum;
  var next0 = key_quad(0, key_row(b, key + y, g), x);
  var next1 = key_quad(0, key_row(b, key + y + 8, g), x);
  for (var step = 0u; step < TILE / STEP; step++) {
    let turn = step % BUFFERS * STEP;
    if (BUFFERS == 1 || step == 0) { workgroupBarrier(); }
    step_rows[turn + y][lane % 16] = next0;
    step_rows[turn + y + 8][lane % 16] = next1;
    workgroupBarrier();
    if (step + 1 < TILE / STEP) {
      next0 = key_quad(0, key_row(b, key + (step + 1) * STEP + y, g), x);
      next1 = key_quad(0, key_row(b, key + (step + 1) * STEP + y + 8, g), x);
    }
    total = add_step(total, step, at);
  }
  return total;
}

/// The gradients of the scores of query t of the tile.
fn back(keys: Keys, b: u32, first: u32, t: u32, row: u32, x: u32, s: vec4f, e: vec4f) -> vec4f {
  let query = look_as_query(b, first + t);
  let levels = levels_of(keys, row, first, t, x);
  return slopes(keys, query, levels, weights(keys, query, levels, s), e);
}

fn back_rows(keys: Keys, b: u32, first: u32, row: u32, at: Place, s: Tile, e: Tile) -> Tile {
  if (SPELLED == 0) {
    var ds = Tile();
    for (var i = 0u; i < 4; i++) {
      ds.low[i] = back(keys, b, first, 4 * at.y + i, row, at.x, row_of(s, i), row_of(e, i));
      ds.high[i] =
        back(keys, b, first, 4 * at.y + 32 + i, row, at.x, row_of(s, i + 4), row_of(e, i + 4));
    }
    return ds;
  }
  let low = mat4x4f(
    back(keys, b, first, 4 * at.y, row, at.x, s.low[0], e.low[0]),
    back(keys, b, first, 4 * at.y + 1, row, at.x, s.low[1], e.low[1]),
    back(keys, b, first, 4 * at.y + 2, row, at.x, s.low[2], e.low[2]),
    back(keys, b, first, 4 * at.y + 3, row, at.x, s.low[3], e.low[3]),
  );
  let high = mat4x4f(
    back(keys, b, first, 4 * at.y + 32, row, at.x, s.high[0], e.high[0]),
    back(keys, b, first, 4 * at.y + 33, row, at.x, s.high[1], e.high[1]),
    back(keys, b, first, 4 * at.y + 34, row, at.x, s.high[2], e.high[2]),
    back(keys, b, first, 4 * at.y + 35, row, at.x, s.high[3], e.high[3]),
  );
  return Tile(low, high);
}

/// One row of the tile for each key.
fn put_slopes(low: mat4x4f, high: mat4x4f, at: Place) {
  let step = at.x / 4;
  let i = at.x % 4 * 4;
  let a = transpose(low);
  let b = transpose(high);
  weights_tile[step][i][at.y] = a[0];
  weights_tile[step][i + 1][at.y] = a[1];
  weights_tile[step][i + 2][at.y] = a[2];
  weights_tile[step][i + 3][at.y] = a[3];
  weights_tile[step][i][at.y + 8] = b[0];
  weights_tile[step][i + 1][at.y + 8] = b[1];
  weights_tile[step][i + 2][at.y + 8] = b[2];
  weights_tile[step][i + 3][at.y + 8] = b[3];
}

fn put(b: u32, t: u32, h: u32, quad: u32, dq: vec4f) {
  if (t >= params.t_count) { return; }
  let row = query_row(b, t, h);
  for (var i = 0u; i < 4; i++) {
    let d = quad * 4 + i;
    if (d >= D) { return; }
    d_q[params.d_q_at + row * D + d] += params.scale * dq[i];
  }
}

fn put_rows(b: u32, t: u32, h: u32, quad: u32, dq: Tile) {
  if (SPELLED == 0) {
    for (var i = 0u; i < 8; i++) { put(b, t + step_of(i), h, quad, row_of(dq, i)); }
    return;
  }
  put(b, t, h, quad, dq.low[0]);
  put(b, t + 1, h, quad, dq.low[1]);
  put(b, t + 2, h, quad, dq.low[2]);
  put(b, t + 3, h, quad, dq.low[3]);
  put(b, t + 32, h, quad, dq.high[0]);
  put(b, t + 33, h, quad, dq.high[1]);
  put(b, t + 34, h, quad, dq.high[2]);
  put(b, t + 35, h, quad, dq.high[3]);
}

@compute @workgroup_size(128)
fn landmark_attention_backward_queries(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let first = (groups.y - 1 - group.y) * TILE;
  let h = group.x % params.H;
  let part = group.x / params.H;
  let quad = part * select(16u, 32u, WIDE > 0);
  let g = h / (params.H / params.G);
  let b = params.b_first + group.z;
  let query0 = query_row(b, first + lane / SLICE, h);
  let query1 = query_row(b, first + 32 + lane / SLICE, h);
  let row = (group.z * params.H + h) * (params.N + 1) * params.t_count;
  let end = keys_before(first + TILE - 1);
  var dq = Tile();
  var more = Tile();
  for (var key = first_key(b, first) / TILE * TILE; key < end; key += TILE) {
    let key0 = key_row(b, key + lane / SLICE, g);
    let key1 = key_row(b, key + 32 + lane / SLICE, g);
    let rows = Rows(query0, query1, key0, key1);
    let keys = look_at_keys(b, key + 4 * at.x);
    let s = products(0, rows, lane, at);
    let e = products(1, rows, lane, at);
    make_levels(b, keys, s, e, row, first, key, part, at, lane);
    let ds = back_rows(keys, b, first, row, at, s, e);
    // Levels may have been read from where the gradients go.
    workgroupBarrier();
    put_slopes(ds.low, ds.high, at);
    dq = add_keys(dq, b, key, g, quad, lane, at);
    if (WIDE > 0) { more = add_keys(more, b, key, g, quad + 16, lane, at); }
  }
  put_rows(b, first + 4 * at.y, h, quad + at.x, dq);
  if (WIDE > 0) { put_rows(b, first + 4 * at.y, h, quad + 16 + at.x, more); }
}
