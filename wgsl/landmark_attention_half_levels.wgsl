// Softmaxes of blocks, from scores that landmark_attention_half_rows.wgsl made

// A softmax under way: its largest exponent, the sum of powers, and of powers times other numbers.
struct Stats {
  most: f32,
  sum: f32,
  dot: f32,
}

fn joined(stats: Stats, x: mat4x4f, y: mat4x4f) -> Stats {
  let most = max(stats.most, most_of(x));
  let e = powers(x, -most);
  let scale = exp2(stats.most - most);
  let dots = dot(e[0], y[0]) + dot(e[1], y[1]) + dot(e[2], y[2]) + dot(e[3], y[3]);
  return Stats(most, fma(stats.sum, scale, sum_of(e)), fma(stats.dot, scale, dots));
}

// Of a whole row.
fn whole(stats: Stats) -> Stats {
  if (!HALVED) { return stats; }
  let most = max(stats.most, subgroupShuffleXor(stats.most, 16));
  let scale = exp2(stats.most - most);
  let sum = stats.sum * scale;
  let dots = stats.dot * scale;
  return Stats(most, sum + subgroupShuffleXor(sum, 16), dots + subgroupShuffleXor(dots, 16));
}

// What a row has of a block: exponents plus `offset` are those of weights; `inner` is the mean of
// other numbers by the block's own softmax, 2^gate its landmark's weight.
struct Level {
  offset: f32,
  inner: f32,
  gate: f32,
}

fn level_of(stats: Stats, score: f32, top: f32) -> Level {
  let gate = score - top;
  return Level(gate - stats.most - log2(stats.sum), stats.dot / stats.sum, gate);
}

// Of each of a thread's matrices.
struct Levels {
  l0: Level,
  l1: Level,
  l2: Level,
  l3: Level,
}

// The score of a landmark that ends the tile.
fn last_score(x: Cells, lane: Lane) -> f32 {
  if (!HALVED) { return x.x3[3].w; }
  return shared_score(select(LOWEST, x.x1[3].w, lane.key > 0));
}

// Joins a tile of one block; `ends`: its last key is the landmark, which is left out.
fn join_tile(stats: Stats, x: Cells, y: Cells, lane: Lane, ends: bool) -> Stats {
  let first = joined(stats, x.x0, y.x0);
  if (HALVED) { return joined(first, with_last(x.x1, LOWEST, ends && lane.key > 0), y.x1); }
  let third = joined(joined(first, x.x1, y.x1), x.x2, y.x2);
  return joined(third, with_last(x.x3, LOWEST, ends), y.x3);
}

fn level_of_one(x: mat4x4f, y: mat4x4f, top: f32) -> Level {
  let none = Stats(LOWEST, 0.0, 0.0);
  return level_of(joined(none, with_last(x, LOWEST, true), y), x[3].w, top);
}

fn level_of_two(x: mat4x4f, y: mat4x4f, x1: mat4x4f, y1: mat4x4f, top: f32) -> Level {
  let first = joined(Stats(LOWEST, 0.0, 0.0), x, y);
  return level_of(joined(first, with_last(x1, LOWEST, true), y1), x1[3].w, top);
}

// Of a block whose second half is the neighbour's.
fn level_of_shared(x: mat4x4f, y: mat4x4f, lane: Lane, top: f32) -> Level {
  let ends = lane.key > 0;
  let stats = whole(joined(Stats(LOWEST, 0.0, 0.0), with_last(x, LOWEST, ends), y));
  return level_of(stats, shared_score(select(LOWEST, x[3].w, ends)), top);
}

// The one of two threads that is not LOWEST.
fn shared_score(score: f32) -> f32 {
  return max(score, subgroupShuffleXor(score, 16));
}

// Of whole blocks in a tile. What they make of blocks that the row does not see whole means nothing.
fn levels_of(x: Cells, y: Cells, lane: Lane, top: f32) -> Levels {
  var l = Levels();
  if (M == 16) {
    l.l0 = level_of_one(x.x0, y.x0, top);
    l.l1 = level_of_one(x.x1, y.x1, top);
    if (!HALVED) {
      l.l2 = level_of_one(x.x2, y.x2, top);
      l.l3 = level_of_one(x.x3, y.x3, top);
    }
  } else if (M == 32 && HALVED) {
    l.l0 = level_of_shared(x.x0, y.x0, lane, top);
    l.l1 = level_of_shared(x.x1, y.x1, lane, top);
  } else if (M == 32) {
    l.l0 = level_of_two(x.x0, y.x0, x.x1, y.x1, top);
    l.l1 = l.l0;
    l.l2 = level_of_two(x.x2, y.x2, x.x3, y.x3, top);
    l.l3 = l.l2;
  } else {
    let stats = whole(join_tile(Stats(LOWEST, 0.0, 0.0), x, y, lane, true));
    let level = level_of(stats, last_score(x, lane), top);
    l = Levels(level, level, level, level);
  }
  return l;
}

// A row: the key that its query stands at, where its block begins, and the top group's log-sum-exp.
struct Row {
  key: u32,
  own: u32,
  top: f32,
  delta: f32, // d_out · out, of a gradient
}

// Behind the last key of its own block that a row sees.
fn own_end(row: Row) -> u32 {
  return min(row.key + 1, row.own + M - 1);
}

// The weights of key … key + 15. `mixed`: some rows may see them as their own block, or not at all.
fn weigh(x: mat4x4f, key: u32, level: Level, row: Row, mixed: bool) -> mat4x4f {
  let marked = (key + 16) % M == 0;
  if (!mixed) { return with_last(powers(x, level.offset), 0.0, marked); }
  let earlier = key + 16 <= row.own;
  let first = select(row.own, key, earlier);
  let end = select(own_end(row), key + select(16u, 15u, marked), earlier);
  return powers(shown(x, key, first, end), select(-row.top, level.offset, earlier));
}

// Joins what of a tile is in the top group: keys of the row's own block, or landmarks before it.
fn join_top(stats: Stats, x: Cells, key: u32, row: Row, kind: u32) -> Stats {
  let first = select(0, row.own, kind == OWN);
  let end = select(row.own / M, own_end(row), kind == OWN);
  let none = mat4x4f();
  var s = joined(stats, shown(x.x0, key, first, end), none);
  s = joined(s, shown(x.x1, key + NEXT, first, end), none);
  if (!HALVED) {
    s = joined(s, shown(x.x2, key + 32, first, end), none);
    s = joined(s, shown(x.x3, key + 48, first, end), none);
  }
  return s;
}
