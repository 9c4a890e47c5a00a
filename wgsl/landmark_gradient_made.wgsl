// Levels made on the way, of a tile that holds whole blocks of M keys, M = 4 … 64, a power of two.
// They are kept for the kernel that walks over queries. `row` is where a head's levels begin.

@group(0) @binding(5) var<storage, read_write> kept_levels: array<vec2f>;

/// Lanes that have the keys of a block.
const BLOCK_LANES = M / 4;
const NOTHING = -3.0e38;

/// Of four keys: the largest score, sums of exp(s − it), alone and times e, and the last score.
fn summary(scores: vec4f, e: vec4f, ends: bool) -> vec4f {
  let s = params.scale * scores;
  let regular = vec4f(s.xyz, select(s.w, NOTHING, ends));
  let most = max(max(regular.x, regular.y), max(regular.z, regular.w));
  let p = exp(regular - most);
  return vec4f(most, p.x + p.y + p.z + p.w, dot(p, e), s.w);
}

/// Levels of the tile's queries from `first` on, and of the tile's blocks; `key` is its first.
fn make_levels(s: Tile, e: Tile, row: u32, first: u32, key: u32, at: Place, lane: u32) {
  let ends = at.x % BLOCK_LANES == BLOCK_LANES - 1;
  let a = at.y / 4;
  let i = at.y % 4 * 4;
  weights_tile[a][i][at.x] = summary(s.low[0], e.low[0], ends);
  weights_tile[a][i + 1][at.x] = summary(s.low[1], e.low[1], ends);
  weights_tile[a][i + 2][at.x] = summary(s.low[2], e.low[2], ends);
  weights_tile[a][i + 3][at.x] = summary(s.low[3], e.low[3], ends);
  weights_tile[a + 2][i][at.x] = summary(s.high[0], e.high[0], ends);
  weights_tile[a + 2][i + 1][at.x] = summary(s.high[1], e.high[1], ends);
  weights_tile[a + 2][i + 2][at.x] = summary(s.high[2], e.high[2], ends);
  weights_tile[a + 2][i + 3][at.x] = summary(s.high[3], e.high[3], ends);
  workgroupBarrier();
  for (var item = lane; item < TILE * TILE / M; item += 128) {
    make_level(item % TILE, item / TILE, row, first, key / M);
  }
  workgroupBarrier();
}

/// Of query t of the tile, and the n-th block in it.
fn make_level(t: u32, n: u32, row: u32, first: u32, block: u32) {
  let begin = n * BLOCK_LANES;
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
  let query = row + first + t;
  let top = kept_levels[query + params.N * params.t_count].x;
  let level = vec2f(most + log(sum) + top - gate, mean / sum);
  weights_tile[t / 16][t % 16][begin] = vec4f(level, 0, 0);
  if (first + t < params.t_count && block + n < params.N) {
    kept_levels[query + (block + n) * params.t_count] = level;
  }
}

/// Of query t of the tile, which is query first + t.
fn levels_of(keys: Keys, row: u32, first: u32, t: u32, x: u32) -> Levels {
  let own = kept_levels[row + params.N * params.t_count + first + t];
  let level = weights_tile[t / 16][t % 16][x / BLOCK_LANES * BLOCK_LANES].xy;
  return Levels(own, level, level, level, level);
}
