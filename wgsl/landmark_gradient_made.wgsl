// Levels made on the way, where every block that has a landmark ends an aligned stretch of M keys and
// begins in it: M = 4 … 64, a power of two, so that a tile holds whole blocks. The workgroups of part
// 0 keep them for the kernel that walks over queries. `row` is where a head's levels begin.

@group(0) @binding(5) var<storage, read_write> kept_levels: array<vec2f>;

/// Lanes that have the keys of a stretch.
const BLOCK_LANES = M / 4;
const NOTHING = -3.0e38;

/// Of four keys, those that a landmark gates: the largest score, sums of exp(s − it), alone and times
/// e; and the last score.
fn summary(keys: Keys, scores: vec4f, e: vec4f) -> vec4f {
  let is_gated = (keys.end >= vec4i(0)) & (keys.end != keys.at);
  let s = params.scale * scores;
  let gated = select(vec4f(NOTHING), s, is_gated);
  let most = max(max(gated.x, gated.y), max(gated.z, gated.w));
  let p = select(vec4f(), exp(gated - most), is_gated);
  return vec4f(most, p.x + p.y + p.z + p.w, dot(p, e), s.w);
}

/// Levels of the tile's queries from `first` on, and of the tile's blocks; its keys are `key` ….
fn make_levels(
  b: u32,
  keys: Keys,
  s: Tile,
  e: Tile,
  row: u32,
  first: u32,
  key: u32,
  part: u32,
  at: Place,
  lane: u32,
) {
  let a = at.y / 4;
  let i = at.y % 4 * 4;
  weights_tile[a][i][at.x] = summary(keys, s.low[0], e.low[0]);
  weights_tile[a][i + 1][at.x] = summary(keys, s.low[1], e.low[1]);
  weights_tile[a][i + 2][at.x] = summary(keys, s.low[2], e.low[2]);
  weights_tile[a][i + 3][at.x] = summary(keys, s.low[3], e.low[3]);
  weights_tile[a + 2][i][at.x] = summary(keys, s.high[0], e.high[0]);
  weights_tile[a + 2][i + 1][at.x] = summary(keys, s.high[1], e.high[1]);
  weights_tile[a + 2][i + 2][at.x] = summary(keys, s.high[2], e.high[2]);
  weights_tile[a + 2][i + 3][at.x] = summary(keys, s.high[3], e.high[3]);
  workgroupBarrier();
  for (var item = lane; item < TILE * TILE / M; item += 128) {
    let t = item % TILE;
    let stretch = item / TILE;
    let query = row + first + t;
    let top = kept_levels[query + params.N * params.t_count].x;
    let level = level_of(t, stretch * BLOCK_LANES, top);
    let slot = gated_slot(b, key + stretch * M + M - 1);
    if (part == 0 && first + t < params.t_count && slot < params.N) {
      kept_levels[query + slot * params.t_count] = level;
    }
  }
  workgroupBarrier();
}

/// Puts the summaries of query t of the tile, from lane `begin` on, together.
fn level_of(t: u32, begin: u32, top: f32) -> vec2f {
  var most = NOTHING;
  for (var i = 0u; i < BLOCK_LANES; i++) {
    most = max(most, weights_tile[t / 16][t % 16][begin + i].x);
  }
  var sum = 0.0;
  var mean = 0.0;
  for (var i = 0u; i < BLOCK_LANES; i++) {
    let part = weights_tile[t / 16][t % 16][begin + i];
    let factor = exp(part.x - most);
    sum = fma(part.y, factor, sum);
    mean = fma(part.z, factor, mean);
  }
  let gate = weights_tile[t / 16][t % 16][begin + BLOCK_LANES - 1].w;
  // Where there is no block the level is never asked for, but is a number.
  let whole = max(sum, 1.0e-30);
  let level = vec2f(most + log(whole) + top - gate, mean / whole);
  weights_tile[t / 16][t % 16][begin] = vec4f(level, 0, 0);
  return level;
}

/// Of query t of the tile, which is query first + t.
fn levels_of(keys: Keys, row: u32, first: u32, t: u32, x: u32) -> Levels {
  let own = kept_levels[row + params.N * params.t_count + first + t];
  let level = weights_tile[t / 16][t % 16][x / BLOCK_LANES * BLOCK_LANES].xy;
  return Levels(own, vec4f(level.x), vec4f(level.y));
}
