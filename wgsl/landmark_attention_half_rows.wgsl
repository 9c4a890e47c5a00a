// What the kernels that walk over keys share: scores of 64 keys, and softmaxes of blocks, by row
//
// A subgroup has 16 or 32 queries, its rows. Scores are made the other way round, keys · queriesᵀ, as
// both then lie in memory as tensor cores take them, and go through workgroup memory to the threads:
// of 32 rows a thread has one, of 16 rows half of one. Exponents are of 2.
//
// Constants: SUBGROUPS of a workgroup, ROWS of each; SPLIT: scores of 32 keys are in workgroup memory
// at once, not 64; TURNED: weights lie [key][row], else [row][key].

const KEYS = 64u;
const TILE_ROWS = KEYS;
const THREADS = 32 * SUBGROUPS;
const QUERIES = SUBGROUPS * ROWS;
const CHUNKS = D / 16;
const HALVED = ROWS == 16;
const NEXT = select(16u, 32u, HALVED); // from one of a thread's 16 keys to the next
const SCORED = select(KEYS, 32, SPLIT == 1);
const SLOT = ROWS + 4; // a key's scores
// Where two threads share a row, a gap behind 16 keys keeps them out of each other's memory banks.
const SCORES_16 = 16 * SLOT + select(0u, 16u, HALVED);
const SCORES = SCORED / 16 * SCORES_16; // a subgroup's
const WEIGHT = select(KEYS + 8, ROWS + 8, TURNED == 1); // of a row; turned, of a key
const WEIGHTS_16 = select(16u, 16 * WEIGHT + select(0u, 32u, HALVED), TURNED == 1);
const WEIGHTS = select(ROWS * WEIGHT, 4 * WEIGHTS_16, TURNED == 1);
const LOWEST = -3.0e38; // stands for −∞

alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sum = subgroup_matrix_result<f32, 16, 16>;

var<workgroup> tiles: array<f16, TILES>;
var<workgroup> scores: array<f32, SUBGROUPS * SCORES>;

// What a workgroup walks over: tiles of keys, of one kind after another.
struct Step {
  kind: u32,
  at: u32, // the first key, or of landmarks the first block
}

const OWN = 0u; // the queries' own blocks, for the top group's sum
const LANDMARKS = 1u; // those of earlier blocks, for that sum
const BLOCK = 2u; // a part of an earlier block, for its sum
const ALL = 3u; // keys and values

// Where the queries of a workgroup stand.
struct Stand {
  first: u32, // their first key
  own: u32, // where their first block begins
  end: u32, // behind the last one's key
}

fn stand_of(first: u32) -> Stand {
  return Stand(first, first / M * M, first + QUERIES);
}

fn first_step(stand: Stand) -> Step {
  if (M > KEYS && stand.own > 0) { return Step(BLOCK, 0); }
  return Step(ALL, 0);
}

fn step_after(step: Step, stand: Stand) -> Step {
  let at = step.at + KEYS;
  if (step.kind == OWN) {
    if (at < stand.end) { return Step(OWN, at); }
    if (stand.end > M) { return Step(LANDMARKS, 0); }
    return first_step(stand);
  }
  if (step.kind == LANDMARKS) {
    if (at < (stand.end - 1) / M) { return Step(LANDMARKS, at); }
    return first_step(stand);
  }
  if (M > KEYS && at % M == 0) {
    if (step.kind == BLOCK) { return Step(ALL, at - M); }
    if (at < stand.own) { return Step(BLOCK, at); }
  }
  return Step(step.kind, at);
}

// A thread: its row, and where it finds its scores and puts its weights.
struct Lane {
  row: u32, // of its subgroup's
  key: u32, // of the tile, its first one
  scores: u32,
  weights: u32,
}

fn lane_of(subgroup: u32, own: u32) -> Lane {
  let row = own % ROWS;
  let half = own / ROWS;
  let score = subgroup * SCORES + half * SCORES_16 + row;
  let weight = WEIGHTS_AT + subgroup * WEIGHTS + half * WEIGHTS_16;
  return Lane(row, 16 * half, score, weight + row * select(WEIGHT, 1, TURNED == 1));
}

// A thread's keys, 16 in each matrix. Where rows are halved there are two: of four stretches of 16
// keys a thread has the first and third, its neighbour the others.
struct Cells {
  x0: mat4x4f,
  x1: mat4x4f,
  x2: mat4x4f,
  x3: mat4x4f,
}

// The products of 16 keys, from `key` on in the tile at `tile`, with the rows. Those of columns 16 · i …
// of D are q_i, or where there are 32 rows q_i and q_4+i.
fn score_16(
  tile: u32,
  key: u32,
  subgroup: u32,
  q0: Right,
  q1: Right,
  q2: Right,
  q3: Right,
  q4: Right,
  q5: Right,
  q6: Right,
  q7: Right,
) {
  let first = tile + key * LONG;
  let at = subgroup * SCORES + key % SCORED / 16 * SCORES_16;
  let k0 = subgroupMatrixLoad<Left, row_major>(&tiles, first, LONG);
  let k1 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 16, LONG);
  var low = subgroupMatrixMultiplyAccumulate(k0, q0, Sum());
  low = subgroupMatrixMultiplyAccumulate(k1, q1, low);
  if (ROWS == 32) {
    var high = subgroupMatrixMultiplyAccumulate(k0, q4, Sum());
    high = subgroupMatrixMultiplyAccumulate(k1, q5, high);
    if (CHUNKS > 2) {
      let k2 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 32, LONG);
      let k3 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 48, LONG);
      low = subgroupMatrixMultiplyAccumulate(k2, q2, low);
      low = subgroupMatrixMultiplyAccumulate(k3, q3, low);
      high = subgroupMatrixMultiplyAccumulate(k2, q6, high);
      high = subgroupMatrixMultiplyAccumulate(k3, q7, high);
    }
    subgroupMatrixStore<row_major>(&scores, at + 16, high, SLOT);
  } else if (CHUNKS > 2) {
    let k2 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 32, LONG);
    let k3 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 48, LONG);
    low = subgroupMatrixMultiplyAccumulate(k2, q2, low);
    low = subgroupMatrixMultiplyAccumulate(k3, q3, low);
    if (CHUNKS > 4) {
      let k4 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 64, LONG);
      let k5 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 80, LONG);
      let k6 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 96, LONG);
      let k7 = subgroupMatrixLoad<Left, row_major>(&tiles, first + 112, LONG);
      low = subgroupMatrixMultiplyAccumulate(k4, q4, low);
      low = subgroupMatrixMultiplyAccumulate(k5, q5, low);
      low = subgroupMatrixMultiplyAccumulate(k6, q6, low);
      low = subgroupMatrixMultiplyAccumulate(k7, q7, low);
    }
  }
  subgroupMatrixStore<row_major>(&scores, at, low, SLOT);
}

// Sixteen of a thread's scores, times a factor.
fn read_16(lane: Lane, i: u32, factor: f32) -> mat4x4f {
  let at = lane.scores + i * NEXT % SCORED / 16 * SCORES_16;
  return mat4x4f(
    factor * four_scores(at),
    factor * four_scores(at + 4 * SLOT),
    factor * four_scores(at + 8 * SLOT),
    factor * four_scores(at + 12 * SLOT),
  );
}

fn four_scores(at: u32) -> vec4f {
  return vec4f(scores[at], scores[at + SLOT], scores[at + 2 * SLOT], scores[at + 3 * SLOT]);
}

fn put_16(lane: Lane, i: u32, w: mat4x4f) {
  let step = select(1, WEIGHT, TURNED == 1);
  let at = lane.weights + i * NEXT / 16 * WEIGHTS_16;
  put_weights(at, step, w[0]);
  put_weights(at + 4 * step, step, w[1]);
  put_weights(at + 8 * step, step, w[2]);
  put_weights(at + 12 * step, step, w[3]);
}

fn put_weights(at: u32, step: u32, w: vec4f) {
  let halves = vec4h(w);
  tiles[at] = halves.x;
  tiles[at + step] = halves.y;
  tiles[at + 2 * step] = halves.z;
  tiles[at + 3 * step] = halves.w;
}

// Weights of rows `row` … and keys 16 · i ….
fn weights_16(subgroup: u32, row: u32, i: u32) -> Left {
  let at = WEIGHTS_AT + subgroup * WEIGHTS + i * WEIGHTS_16;
  if (TURNED == 1) { return subgroupMatrixLoad<Left, col_major>(&tiles, at + row, WEIGHT); }
  return subgroupMatrixLoad<Left, row_major>(&tiles, at + row * WEIGHT, WEIGHT);
}

// Keys 16 · i … and columns 16 · c … of the tile at `tile`.
fn columns_16(tile: u32, i: u32, c: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&tiles, tile + 16 * (i * LONG + c), LONG);
}

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

fn most_of(m: mat4x4f) -> f32 {
  let four = max(max(m[0], m[1]), max(m[2], m[3]));
  return max(max(four.x, four.y), max(four.z, four.w));
}

fn sum_of(m: mat4x4f) -> f32 {
  let four = (m[0] + m[1]) + (m[2] + m[3]);
  return (four.x + four.y) + (four.z + four.w);
}

// exp2(m + offset).
fn powers(m: mat4x4f, offset: f32) -> mat4x4f {
  return mat4x4f(
    exp2(m[0] + offset),
    exp2(m[1] + offset),
    exp2(m[2] + offset),
    exp2(m[3] + offset),
  );
}

// LOWEST but for numbers of [first, end); the matrix has key … key + 15.
fn shown(m: mat4x4f, key: u32, first: u32, end: u32) -> mat4x4f {
  let keys = key + vec4u(0, 1, 2, 3);
  return mat4x4f(
    shown_four(m[0], keys, first, end),
    shown_four(m[1], keys + 4, first, end),
    shown_four(m[2], keys + 8, first, end),
    shown_four(m[3], keys + 12, first, end),
  );
}

fn shown_four(x: vec4f, keys: vec4u, first: u32, end: u32) -> vec4f {
  return select(vec4f(LOWEST), x, (keys >= vec4u(first)) & (keys < vec4u(end)));
}

fn with_last(m: mat4x4f, last: f32, is: bool) -> mat4x4f {
  return mat4x4f(m[0], m[1], m[2], vec4f(m[3].xyz, select(m[3].w, last, is)));
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
