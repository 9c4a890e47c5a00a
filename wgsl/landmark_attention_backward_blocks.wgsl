// levels [B, H, n, t] = (lse + top − gate, Σ π · (dOut · v)) of query t and the n-th of the blocks
// before its own: of its regular keys' scores s, lse = log Σ exp s and π = exp(s − lse).
//
// A workgroup has 64 queries of one head, and walks over the keys; a lane for each query walks over
// what the products hold, half a tile of keys at a time.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  d_out_at: u32,
  levels_at: u32,
  sights_at: u32,
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
@group(0) @binding(5) var<storage, read_write> kept_levels: array<vec2f>;

/// What a walk has seen of a block: the largest score, and sums of exp(s − it), alone and times e.
struct Walk {
  most: f32,
  sum: f32,
  mean: f32,
}

const NOTHING = -3.0e38;

fn walk_on(walk: Walk, s: f32, e: f32) -> Walk {
  let most = max(walk.most, s);
  let keep = exp(walk.most - most);
  let add = exp(s - most);
  return Walk(most, fma(walk.sum, keep, add), fma(walk.mean, keep, add * e));
}

/// One key of a query.
fn walk_key(
  walk: Walk,
  j: i32,
  slot: u32,
  end: i32,
  query: Query,
  at: u32,
  s: f32,
  e: f32,
) -> Walk {
  if (j < query.document || j >= query.block || j > query.key || end < 0) { return walk; }
  if (end != j) { return walk_on(walk, params.scale * s, e); }
  // The landmark: the block is done.
  let lse = walk.most + log(walk.sum);
  let top = kept_levels[at + params.N * params.t_count].x;
  kept_levels[at + slot * params.t_count] = vec2f(lse + top - params.scale * s, walk.mean / walk.sum);
  return Walk(NOTHING, 0, 0);
}

fn walk_keys(walk: Walk, keys: Keys, query: Query, at: u32, s: vec4f, e: vec4f) -> Walk {
  var next = walk_key(walk, keys.at.x, keys.slot.x, keys.end.x, query, at, s.x, e.x);
  next = walk_key(next, keys.at.y, keys.slot.y, keys.end.y, query, at, s.y, e.y);
  next = walk_key(next, keys.at.z, keys.slot.z, keys.end.z, query, at, s.z, e.z);
  return walk_key(next, keys.at.w, keys.slot.w, keys.end.w, query, at, s.w, e.w);
}

/// A lane's part of a tile, as column `column`.
fn put_half(tile: Tile, at: Place, column: u32) {
  let step = at.y / 4;
  let i = at.y % 4 * 4;
  weights_tile[step][i][column] = tile.low[0];
  weights_tile[step][i + 1][column] = tile.low[1];
  weights_tile[step][i + 2][column] = tile.low[2];
  weights_tile[step][i + 3][column] = tile.low[3];
  weights_tile[step + 2][i][column] = tile.high[0];
  weights_tile[step + 2][i + 1][column] = tile.high[1];
  weights_tile[step + 2][i + 2][column] = tile.high[2];
  weights_tile[step + 2][i + 3][column] = tile.high[3];
}

@compute @workgroup_size(128)
fn landmark_attention_backward_blocks(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let at = place_of(lane);
  let first = group.y * TILE;
  let h = group.x;
  let g = h / (params.H / params.G);
  let b = params.b_first + group.z;
  let query0 = query_row(b, first + lane / SLICE, h);
  let query1 = query_row(b, first + 32 + lane / SLICE, h);
  let t = lane % TILE;
  let query = look_as_query(b, first + t);
  let row = (group.z * params.H + h) * (params.N + 1) * params.t_count + first + t;
  let end = keys_before(first + TILE - 1);
  var walk = Walk(NOTHING, 0, 0);
  for (var key = first_key(b, first) / TILE * TILE; key < end; key += TILE) {
    let key0 = key_row(b, key + lane / SLICE, g);
    let key1 = key_row(b, key + 32 + lane / SLICE, g);
    let rows = Rows(query0, query1, key0, key1);
    let s = products(0, rows, lane, at);
    let e = products(1, rows, lane, at);
    for (var half = 0u; half < 2; half++) {
      workgroupBarrier();
      if (at.x / 8 == half) {
        put_half(s, at, at.x % 8);
        put_half(e, at, at.x % 8 + 8);
      }
      workgroupBarrier();
      if (lane < TILE) {
        for (var i = 0u; i < 8; i++) {
          let keys = look_at_keys(b, key + half * 32 + 4 * i);
          let scores = weights_tile[t / 16][t % 16][i];
          let values = weights_tile[t / 16][t % 16][i + 8];
          walk = walk_keys(walk, keys, query, row, scores, values);
        }
      }
    }
  }
}
