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

// The products of all keys of a tile with the rows, times a factor. Before it and behind it there must
// be a barrier, before scores are made again.
fn score(
  tile: u32,
  factor: f32,
  subgroup: u32,
  lane: Lane,
  q0: Right,
  q1: Right,
  q2: Right,
  q3: Right,
  q4: Right,
  q5: Right,
  q6: Right,
  q7: Right,
) -> Cells {
  score_16(tile, 0, subgroup, q0, q1, q2, q3, q4, q5, q6, q7);
  score_16(tile, 16, subgroup, q0, q1, q2, q3, q4, q5, q6, q7);
  if (SPLIT == 0) {
    score_16(tile, 32, subgroup, q0, q1, q2, q3, q4, q5, q6, q7);
    score_16(tile, 48, subgroup, q0, q1, q2, q3, q4, q5, q6, q7);
  }
  workgroupBarrier();
  var x = Cells();
  x.x0 = read_16(lane, 0, factor);
  if (!HALVED || SPLIT == 0) { x.x1 = read_16(lane, 1, factor); }
  if (SPLIT == 1) {
    workgroupBarrier();
    score_16(tile, 32, subgroup, q0, q1, q2, q3, q4, q5, q6, q7);
    score_16(tile, 48, subgroup, q0, q1, q2, q3, q4, q5, q6, q7);
    workgroupBarrier();
    if (HALVED) { x.x1 = read_16(lane, 1, factor); }
  }
  if (!HALVED) {
    x.x2 = read_16(lane, 2, factor);
    x.x3 = read_16(lane, 3, factor);
  }
  return x;
}

// Columns 16 · c … of the subgroup's queries, which begin at `at`; of 32 rows the last 16 have c ≥ 4.
fn query_16(at: u32, row: u32, c: u32) -> Right {
  let stride = params.H * D;
  let first = params.q_at + at + select(16 * c, row * stride + 16 * (c % 4), ROWS == 32);
  return subgroupMatrixLoad<Right, col_major>(&q, first, stride);
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
