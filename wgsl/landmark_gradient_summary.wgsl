// What a tile holds of blocks, found by all lanes together: each puts down what its four keys come to
// for each of its queries, and a lane for each query puts those of BLOCK_LANES lanes together.

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

fn put_summaries(keys: Keys, s: Tile, e: Tile, at: Place) {
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
}

/// Of query t of the tile, the summaries from lane `begin` on as one; the last score is the landmark's.
fn summary_of(t: u32, begin: u32) -> vec4f {
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
  return vec4f(most, sum, mean, weights_tile[t / 16][t % 16][begin + BLOCK_LANES - 1].w);
}

/// The levels of a block with this summary.
fn level_of(block: vec4f, top: f32) -> vec2f {
  // Where there is no block the level is never asked for, but is a number.
  let whole = max(block.y, 1.0e-30);
  return vec2f(block.x + log(whole) + top - block.w, block.z / whole);
}
