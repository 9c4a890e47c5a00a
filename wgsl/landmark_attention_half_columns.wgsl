// What lies in the workgroup memory of landmark_attention_half_keys.wgsl, and how squares come from it

const TILE_ROWS = 32u; // queries
const THREADS = 32 * SUBGROUPS;
const CHUNKS = D / 16;
const COLUMNS = CHUNKS / PARTS; // that a workgroup makes, in 16s
const SLOT = TILE_ROWS + 4; // a key's scores
const SCORES = 2 * 16 * SLOT; // a subgroup's: x, then y
const WEIGHT = TILE_ROWS + 8; // a key's weights
const WEIGHTS = 16 * WEIGHT; // a subgroup's; slopes are behind them
const QUERIES_AT = 0u;
const GRADIENTS_AT = TILE_ROWS * LONG;
const WEIGHTS_AT = 2 * TILE_ROWS * LONG;
const TILES = WEIGHTS_AT + 2 * SUBGROUPS * WEIGHTS;

var<workgroup> tiles: array<f16, TILES>;
var<workgroup> scores: array<f32, SUBGROUPS * SCORES>;

// Queries 16 · i … and columns 16 · c … of the tile at `tile`, as columns and rows.
fn queries_16(tile: u32, i: u32, c: u32) -> Right {
  return subgroupMatrixLoad<Right, col_major>(&tiles, tile + 16 * (i * LONG + c), LONG);
}

// The same as rows and columns.
fn columns_16(tile: u32, i: u32, c: u32) -> Right {
  return subgroupMatrixLoad<Right, row_major>(&tiles, tile + 16 * (i * LONG + c), LONG);
}

// A subgroup's weights, or slopes, of queries 16 · i ….
fn weights_16(subgroup: u32, which: u32, i: u32) -> Left {
  let at = WEIGHTS_AT + (2 * subgroup + which) * WEIGHTS + 16 * i;
  return subgroupMatrixLoad<Left, row_major>(&tiles, at, WEIGHT);
}

// The products of keys, whose columns are k_i, with 16 queries.
fn score_16(
  tile: u32,
  i: u32,
  at: u32,
  k0: Left,
  k1: Left,
  k2: Left,
  k3: Left,
  k4: Left,
  k5: Left,
  k6: Left,
  k7: Left,
) {
  var sum = subgroupMatrixMultiplyAccumulate(k0, queries_16(tile, i, 0), Sum());
  sum = subgroupMatrixMultiplyAccumulate(k1, queries_16(tile, i, 1), sum);
  if (CHUNKS > 2) {
    sum = subgroupMatrixMultiplyAccumulate(k2, queries_16(tile, i, 2), sum);
    sum = subgroupMatrixMultiplyAccumulate(k3, queries_16(tile, i, 3), sum);
  }
  if (CHUNKS > 4) {
    sum = subgroupMatrixMultiplyAccumulate(k4, queries_16(tile, i, 4), sum);
    sum = subgroupMatrixMultiplyAccumulate(k5, queries_16(tile, i, 5), sum);
    sum = subgroupMatrixMultiplyAccumulate(k6, queries_16(tile, i, 6), sum);
    sum = subgroupMatrixMultiplyAccumulate(k7, queries_16(tile, i, 7), sum);
  }
  subgroupMatrixStore<row_major>(&scores, at + 16 * i, sum, SLOT);
}

// A thread's scores, times a factor.
fn read_16(at: u32, factor: f32) -> mat4x4f {
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

fn put_16(at: u32, w: mat4x4f) {
  put_weights(at, w[0]);
  put_weights(at + 4 * WEIGHT, w[1]);
  put_weights(at + 8 * WEIGHT, w[2]);
  put_weights(at + 12 * WEIGHT, w[3]);
}

fn put_weights(at: u32, w: vec4f) {
  let halves = vec4h(w);
  tiles[at] = halves.x;
  tiles[at + WEIGHT] = halves.y;
  tiles[at + 2 * WEIGHT] = halves.z;
  tiles[at + 3 * WEIGHT] = halves.w;
}
