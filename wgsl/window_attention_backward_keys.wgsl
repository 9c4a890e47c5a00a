// d_k, d_v f32 [B, S, G, D] += the gradients of attention over a window: d_v = pᵀ · d_out, d_k = scale ·
// dsᵀ · q.
//
// A workgroup has 64 keys of one key/value head, and 64 of the D columns; it walks over the queries of
// all heads that see them, so that nobody else adds to its rows.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  distances_at: u32,
  d_out_at: u32,
  levels_at: u32,
  d_k_at: u32,
  d_v_at: u32,
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
@group(0) @binding(7) var<storage, read_write> d_k: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_v: array<f32>;

fn put(b: u32, j: u32, g: u32, quad: u32, dk: vec4f, dv: vec4f) {
  if (j >= params.S) { return; }
  let row = key_row(b, j, g);
  for (var i = 0u; i < 4; i++) {
    let d = quad * 4 + i;
    if (d >= D) { return; }
    d_k[params.d_k_at + row * D + d] += params.scale * dk[i];
    d_v[params.d_v_at + row * D + d] += dv[i];
  }
}

/// The first query that sees any key from j on.
fn first_query(j: u32) -> u32 {
  let before = params.S - params.T;
  return select(0, j - before, j > before);
}

@compute @workgroup_size(128)
fn window_attention_backward_keys(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let first = group.x * TILE;
  let g = group.y % params.G;
  let quad = group.y / params.G * 16;
  let b = group.z;
  let key0 = key_row(b, first + lane / SLICE, g);
  let key1 = key_row(b, first + 32 + lane / SLICE, g);
  let keys = i32(first + 4 * at.x) + vec4i(0, 1, 2, 3);
  let ratio = params.H / params.G;
  var dk = Tile();
  var dv = Tile();
  for (var h = g * ratio; h < (g + 1) * ratio; h++) {
    for (var tile = first_query(first) / TILE * TILE; tile < params.T; tile += TILE) {
      if (first_seen(tile) >= first + TILE) { break; }
      let query0 = query_row(b, tile + lane / SLICE, h);
      let query1 = query_row(b, tile + 32 + lane / SLICE, h);
      let rows = Rows(query0, query1, key0, key1);
      let t = tile + 4 * at.y;
      let s = scores(rows, tile, first, h, lane, at);
      let low = weights_of_four(b, t, h, keys, s.low);
      let high = weights_of_four(b, t + 32, h, keys, s.high);
      workgroupBarrier();
      put_tile(low, high, at);
      dv = add_queries(dv, 1, b, tile, h, quad, lane, at);
      let e = products(1, rows, lane, at);
      put_tile(
        slopes_of_four(b, t, h, low, e.low),
        slopes_of_four(b, t + 32, h, high, e.high),
        at,
      );
      dk = add_queries(dk, 0, b, tile, h, quad, lane, at);
    }
  }
  let j = first + 4 * at.y;
  put(b, j, g, quad + at.x, dk.low[0], dv.low[0]);
  put(b, j + 1, g, quad + at.x, dk.low[1], dv.low[1]);
  put(b, j + 2, g, quad + at.x, dk.low[2], dv.low[2]);
  put(b, j + 3, g, quad + at.x, dk.low[3], dv.low[3]);
  put(b, j + 32, g, quad + at.x, dk.high[0], dv.high[0]);
  put(b, j + 33, g, quad + at.x, dk.high[1], dv.high[1]);
  put(b, j + 34, g, quad + at.x, dk.high[2], dv.high[2]);
  put(b, j + 35, g, quad + at.x, dk.high[3], dv.high[3]);
}
