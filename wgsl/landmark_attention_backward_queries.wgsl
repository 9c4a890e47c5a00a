// dQ f32 [B, T, H, D] += the gradients of landmark attention: dQ = slopes · k.
//
// A workgroup has 64 queries of one head, and 64 of the D columns, or 128 if WIDE is not 0; it
// walks over the keys. The last queries, which see the most, go first. What it sums up on its way,
// with levels from where, are files of their own: landmark_gradient_{kept,made,carried}.wgsl.

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

/// What a workgroup is to do, the same for all lanes: 64 queries of batch row b and head h, from
/// `first` on.
struct Work {
  b: u32,
  h: u32,
  g: u32,
  first: u32,
  /// Where the head's levels begin.
  row: u32,
  /// Which columns of D: from 4 · quad on.
  part: u32,
  quad: u32,
}

/// Adds weights_tileᵀ · k; the columns of k from 4 · quad on.
fn add_keys(sum: Tile, work: Work, key: u32, quad: u32, lane: u32, at: Place) -> Tile {
  let x = quad + lane % 16;
  let y = lane / 16;
  var total = sum;
  var next0 = key_quad(0, key_row(work.b, key + y, work.g), x);
  var next1 = key_quad(0, key_row(work.b, key + y + 8, work.g), x);
  for (var step = 0u; step < TILE / STEP; step++) {
    let turn = step % BUFFERS * STEP;
    if (BUFFERS == 1 || step == 0) { workgroupBarrier(); }
    step_rows[turn + y][lane % 16] = next0;
    step_rows[turn + y + 8][lane % 16] = next1;
    workgroupBarrier();
    if (step + 1 < TILE / STEP) {
      next0 = key_quad(0, key_row(work.b, key + (step + 1) * STEP + y, work.g), x);
      next1 = key_quad(0, key_row(work.b, key + (step + 1) * STEP + y + 8, work.g), x);
    }
    total = add_step(total, step, at);
  }
  return total;
}

/// The gradients of the scores of query t of the tile.
fn back(keys: Keys, work: Work, t: u32, x: u32, s: vec4f, e: vec4f) -> vec4f {
  let query = look_as_query(work.b, work.first + t);
  let levels = levels_of(keys, work, t, x);
  return slopes(keys, query, levels, weights(keys, query, levels, s), e);
}

fn back_rows(keys: Keys, work: Work, at: Place, s: Tile, e: Tile) -> Tile {
  let t = 4 * at.y;
  if (SPELLED == 0) {
    var ds = Tile();
    for (var i = 0u; i < 4; i++) {
      ds.low[i] = back(keys, work, t + i, at.x, row_of(s, i), row_of(e, i));
      ds.high[i] = back(keys, work, t + 32 + i, at.x, row_of(s, i + 4), row_of(e, i + 4));
    }
    return ds;
  }
  let low = mat4x4f(
    back(keys, work, t, at.x, s.low[0], e.low[0]),
    back(keys, work, t + 1, at.x, s.low[1], e.low[1]),
    back(keys, work, t + 2, at.x, s.low[2], e.low[2]),
    back(keys, work, t + 3, at.x, s.low[3], e.low[3]),
  );
  let high = mat4x4f(
    back(keys, work, t + 32, at.x, s.high[0], e.high[0]),
    back(keys, work, t + 33, at.x, s.high[1], e.high[1]),
    back(keys, work, t + 34, at.x, s.high[2], e.high[2]),
    back(keys, work, t + 35, at.x, s.high[3], e.high[3]),
  );
  return Tile(low, high);
}

/// One row of the tile for each key; `step` is that of the lane's keys.
fn put_slopes(ds: Tile, step: u32, at: Place) {
  let i = at.x % 4 * 4;
  let a = transpose(ds.low);
  let b = transpose(ds.high);
  weights_tile[step][i][at.y] = a[0];
  weights_tile[step][i + 1][at.y] = a[1];
  weights_tile[step][i + 2][at.y] = a[2];
  weights_tile[step][i + 3][at.y] = a[3];
  weights_tile[step][i][at.y + 8] = b[0];
  weights_tile[step][i + 1][at.y + 8] = b[1];
  weights_tile[step][i + 2][at.y + 8] = b[2];
  weights_tile[step][i + 3][at.y + 8] = b[3];
}

/// Where row t of dQ begins, in columns 4 · quad …; NO_ROW if it is none.
fn place_in_dq(work: Work, t: u32, quad: u32) -> u32 {
  let row = query_row(work.b, t, work.h);
  if ((row == NO_ROW) | (4 * quad >= D)) { return NO_ROW; }
  return params.d_q_at + row * D + 4 * quad;
}

fn take(work: Work, t: u32, quad: u32) -> vec4f {
  let at = place_in_dq(work, t, quad);
  var dq = vec4f();
  if (at == NO_ROW) { return dq; }
  dq.x = d_q[at];
  if (4 * quad + 1 < D) { dq.y = d_q[at + 1]; }
  if (4 * quad + 2 < D) { dq.z = d_q[at + 2]; }
  if (4 * quad + 3 < D) { dq.w = d_q[at + 3]; }
  return dq;
}

fn put(work: Work, t: u32, quad: u32, dq: vec4f) {
  let at = place_in_dq(work, t, quad);
  if (at == NO_ROW) { return; }
  d_q[at] = dq.x;
  if (4 * quad + 1 < D) { d_q[at + 1] = dq.y; }
  if (4 * quad + 2 < D) { d_q[at + 2] = dq.z; }
  if (4 * quad + 3 < D) { d_q[at + 3] = dq.w; }
}

/// Adds to dQ, in columns 4 · quad …. All is read before anything is written: the waits are one.
fn put_rows(work: Work, columns: u32, at: Place, dq: Tile) {
  let t = work.first + 4 * at.y;
  let quad = columns + at.x;
  let low = mat4x4f(
    take(work, t, quad),
    take(work, t + 1, quad),
    take(work, t + 2, quad),
    take(work, t + 3, quad),
  ) + params.scale * dq.low;
  let high = mat4x4f(
    take(work, t + 32, quad),
    take(work, t + 33, quad),
    take(work, t + 34, quad),
    take(work, t + 35, quad),
  ) + params.scale * dq.high;
  put(work, t, quad, low[0]);
  put(work, t + 1, quad, low[1]);
  put(work, t + 2, quad, low[2]);
  put(work, t + 3, quad, low[3]);
  put(work, t + 32, quad, high[0]);
  put(work, t + 33, quad, high[1]);
  put(work, t + 34, quad, high[2]);
  put(work, t + 35, quad, high[3]);
}

@compute @workgroup_size(128)
fn landmark_attention_backward_queries(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first = (groups.y - 1 - group.y) * TILE;
  let h = group.x % params.H;
  let g = h / (params.H / params.G);
  let b = params.b_first + group.z;
  let row = (group.z * params.H + h) * (params.N + 1) * params.t_count;
  let part = group.x / params.H;
  let quad = part * select(16u, 32u, WIDE > 0);
  let work = Work(b, h, g, first, row, part, quad);
  let at = place_of(lane);
  let query0 = query_row(b, first + lane / SLICE, h);
  let query1 = query_row(b, first + 32 + lane / SLICE, h);
  let end = keys_before(first + TILE - 1);
  var sums = Sums();
  for (var key = first_key(b, first) / TILE * TILE; key < end; key += TILE) {
    let key0 = key_row(b, key + lane / SLICE, g);
    let key1 = key_row(b, key + 32 + lane / SLICE, g);
    let rows = Rows(query0, query1, key0, key1);
    let keys = look_at_keys(b, key + 4 * at.x);
    let s = products(0, rows, lane, at);
    let e = products(1, rows, lane, at);
    make_levels(work, key, keys, s, e, lane, at);
    sums = add_tile(sums, work, key, keys, s, e, lane, at);
  }
  put_sums(sums, work, at);
}
