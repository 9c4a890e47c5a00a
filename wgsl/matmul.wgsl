// out [m, n] = a [m, k] · b [k, n]; transposed inputs are [k, m] and [n, k]
//
// A workgroup makes a tile of TILE_M × TILE_N, 16 steps of k at a time, a thread ROW_QUADS ×
// COLUMN_QUADS squares of 4 × 4 of it. Every number is summed along k from the first to the last,
// whatever the tile: a row has the same bits alone as among others, and `ACCUMULATE` goes on where
// an earlier product stopped. Slices of k (z) go to outs of their own, for matmul_sum.
//
// What lies past the edges of a and b is read as if it were there, and goes to sums that are not
// written; only along k it must be zero. Sums are variables, not an array, and steps are calls, not
// a loop, so that all stays in registers; the tiles are arrays of arrays, so that their bounds
// checks fall on what does not change from step to step.

const TILE_K = 16u;
const THREADS = TILE_M / (4 * ROW_QUADS) * (TILE_N / (4 * COLUMN_QUADS));
// Each thread fetches one square of 4 × 4, the first ones of a, the others of b.
const A_SQUARES = TILE_M / 4 * (TILE_K / 4);
const B_SQUARES = TILE_N / 4 * (TILE_K / 4);
// 32 threads work on 8 × 4 of the tile's squares, or two times that along an axis.
const WARPS_M = TILE_M / (32 * ROW_QUADS);

struct Params {
  a_at: u32,
  b_at: u32,
  out_at: u32,
  m: u32,
  n: u32,
  k: u32,
  slice: u32, // steps of k in a slice, a multiple of TILE_K
}

@group(0) @binding(0) var<uniform> params: Params;

// [k][row or column / 4]; the last four are a gap that turns the banks.
var<workgroup> a_tiles: array<array<array<vec4f, TILE_M / 4 + 1>, TILE_K>, STAGES>;
var<workgroup> b_tiles: array<array<array<vec4f, TILE_N / 4 + 1>, TILE_K>, STAGES>;

// Row i of the thread's sums: columns of its first and its second square.
var<private> sum_0: vec4f;
var<private> sum_1: vec4f;
var<private> sum_2: vec4f;
var<private> sum_3: vec4f;
var<private> sum_4: vec4f;
var<private> sum_5: vec4f;
var<private> sum_6: vec4f;
var<private> sum_7: vec4f;
var<private> more_0: vec4f;
var<private> more_1: vec4f;
var<private> more_2: vec4f;
var<private> more_3: vec4f;
var<private> more_4: vec4f;
var<private> more_5: vec4f;
var<private> more_6: vec4f;
var<private> more_7: vec4f;

// A square on its way from a or b: four numbers as they follow in memory, four times.
var<private> next_0: vec4f;
var<private> next_1: vec4f;
var<private> next_2: vec4f;
var<private> next_3: vec4f;

// Where a thread fetches: a square of a tile, and its four addresses in the first one.
struct Fetch {
  of_a: bool,
  of_b: bool,
  // Whether memory runs along k in it.
  along_k: bool,
  // Its first step of k in the tile.
  k: u32,
  // Its row or column of the tile / 4.
  quad: u32,
  at: vec4u,
  // From one step of k to the next.
  stride: u32,
}

fn fetch_of(lane: u32, group: vec3u, first: u32) -> Fetch {
  var f: Fetch;
  f.of_a = lane < A_SQUARES;
  f.of_b = !f.of_a && lane < A_SQUARES + B_SQUARES;
  f.along_k = select(TRANSPOSE_B == 1, TRANSPOSE_A == 0, f.of_a);
  let i = select(lane - A_SQUARES, lane, f.of_a);
  let quads = select(TILE_N / 4, TILE_M / 4, f.of_a);
  let width = select(params.n, params.m, f.of_a);
  let origin = select(group.x * TILE_N, group.y * TILE_M, f.of_a);
  let begin = select(params.b_at, params.a_at, f.of_a);
  if (f.along_k) {
    // Eight neighbours hold two steps and four quads: their writes fall into different banks.
    f.k = 4 * ((i & 1) | ((i >> 2) & 2));
    f.quad = ((i >> 1) & 3) | ((i >> 4) << 2);
    let row = begin + (origin + 4 * f.quad) * params.k + first + f.k;
    f.at = row + vec4u(0, 1, 2, 3) * params.k;
    f.stride = 1;
  } else {
    f.k = 4 * (i / quads);
    f.quad = i % quads;
    let column = begin + origin + 4 * f.quad;
    f.at = column + (first + f.k + vec4u(0, 1, 2, 3)) * width;
    f.stride = width;
  }
  return f;
}

// Begins to read the square that lies `steps` of k behind the first.
fn fetch(f: Fetch, steps: u32) {
  let at = f.at + steps * f.stride;
  if (f.of_a) {
    next_0 = a_four(at.x);
    next_1 = a_four(at.y);
    next_2 = a_four(at.z);
    next_3 = a_four(at.w);
  } else if (f.of_b) {
    next_0 = b_four(at.x);
    next_1 = b_four(at.y);
    next_2 = b_four(at.z);
    next_3 = b_four(at.w);
  }
}

// Puts the square that was read into its tile; `left` steps of k are, the others become zero.
fn place(f: Fetch, stage: u32, left: u32) {
  var rows = mat4x4f(next_0, next_1, next_2, next_3);
  if (f.along_k) { rows = transpose(rows); }
  var row_0 = rows[0];
  var row_1 = rows[1];
  var row_2 = rows[2];
  var row_3 = rows[3];
  if (left < TILE_K) {
    row_0 = select(vec4f(), row_0, f.k < left);
    row_1 = select(vec4f(), row_1, f.k + 1 < left);
    row_2 = select(vec4f(), row_2, f.k + 2 < left);
    row_3 = select(vec4f(), row_3, f.k + 3 < left);
  }
  if (f.of_a) {
    a_tiles[stage][f.k][f.quad] = row_0;
    a_tiles[stage][f.k + 1][f.quad] = row_1;
    a_tiles[stage][f.k + 2][f.quad] = row_2;
    a_tiles[stage][f.k + 3][f.quad] = row_3;
  } else if (f.of_b) {
    b_tiles[stage][f.k][f.quad] = row_0;
    b_tiles[stage][f.k + 1][f.quad] = row_1;
    b_tiles[stage][f.k + 2][f.quad] = row_2;
    b_tiles[stage][f.k + 3][f.quad] = row_3;
  }
}

// One step of k: a column of a times a row of b.
fn step(stage: u32, k: u32, row: u32, column: u32) {
  let x = a_tiles[stage][k][row];
  let y = b_tiles[stage][k][column];
  sum_0 = fma(vec4f(x.x), y, sum_0);
  sum_1 = fma(vec4f(x.y), y, sum_1);
  sum_2 = fma(vec4f(x.z), y, sum_2);
  sum_3 = fma(vec4f(x.w), y, sum_3);
  if (COLUMN_QUADS == 2) {
    let z = b_tiles[stage][k][column + 4];
    more_0 = fma(vec4f(x.x), z, more_0);
    more_1 = fma(vec4f(x.y), z, more_1);
    more_2 = fma(vec4f(x.z), z, more_2);
    more_3 = fma(vec4f(x.w), z, more_3);
  }
  if (ROW_QUADS == 2) {
    let w = a_tiles[stage][k][row + 8];
    sum_4 = fma(vec4f(w.x), y, sum_4);
    sum_5 = fma(vec4f(w.y), y, sum_5);
    sum_6 = fma(vec4f(w.z), y, sum_6);
    sum_7 = fma(vec4f(w.w), y, sum_7);
    if (COLUMN_QUADS == 2) {
      let z = b_tiles[stage][k][column + 4];
      more_4 = fma(vec4f(w.x), z, more_4);
      more_5 = fma(vec4f(w.y), z, more_5);
      more_6 = fma(vec4f(w.z), z, more_6);
      more_7 = fma(vec4f(w.w), z, more_7);
    }
  }
}

// Four rows of sums go on from what out holds.
fn read_sums(row: u32, column: u32) {
  let at = params.out_at + row * params.n + column;
  sum_0 = out_four(at);
  sum_1 = out_four(at + params.n);
  sum_2 = out_four(at + 2 * params.n);
  sum_3 = out_four(at + 3 * params.n);
  if (COLUMN_QUADS == 2) {
    more_0 = out_four(at + 16);
    more_1 = out_four(at + 16 + params.n);
    more_2 = out_four(at + 16 + 2 * params.n);
    more_3 = out_four(at + 16 + 3 * params.n);
  }
  if (ROW_QUADS == 2) {
    let below = at + 32 * params.n;
    sum_4 = out_four(below);
    sum_5 = out_four(below + params.n);
    sum_6 = out_four(below + 2 * params.n);
    sum_7 = out_four(below + 3 * params.n);
    if (COLUMN_QUADS == 2) {
      more_4 = out_four(below + 16);
      more_5 = out_four(below + 16 + params.n);
      more_6 = out_four(below + 16 + 2 * params.n);
      more_7 = out_four(below + 16 + 3 * params.n);
    }
  }
}

// A row of sums, as far as out has such a row and columns.
fn write_row(slice: u32, row: u32, column: u32, sums: vec4f, more: vec4f) {
  if (row >= params.m) { return; }
  let at = params.out_at + (slice * params.m + row) * params.n + column;
  let count = params.n - min(params.n, column);
  write_out(at, count, sums);
  if (COLUMN_QUADS == 2) { write_out(at + 16, count - min(count, 16), more); }
}

@compute @workgroup_size(THREADS)
fn matmul(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let warp = lane / 32;
  // Of the tile's rows and columns / 4. Eight neighbours read four of a and two of b.
  let quad_m = warp % WARPS_M * (8 * ROW_QUADS) + ((lane >> 1) & 7);
  let quad_n = warp / WARPS_M * (4 * COLUMN_QUADS) + ((lane & 1) | ((lane >> 3) & 2));
  let row = group.y * TILE_M + 4 * quad_m;
  let column = group.x * TILE_N + 4 * quad_n;
  let first = group.z * params.slice;
  let count = min(params.slice, params.k - first);
  if (ACCUMULATE == 1) { read_sums(row, column); }

  let f = fetch_of(lane, group, first);
  fetch(f, 0);
  place(f, 0, count);
  workgroupBarrier();
  var stage = 0u;
  for (var done = 0u; done < count; done += TILE_K) {
    let next = done + TILE_K;
    if (next < count) { fetch(f, next); }
    step(stage, 0, quad_m, quad_n);
    step(stage, 1, quad_m, quad_n);
    step(stage, 2, quad_m, quad_n);
    step(stage, 3, quad_m, quad_n);
    step(stage, 4, quad_m, quad_n);
    step(stage, 5, quad_m, quad_n);
    step(stage, 6, quad_m, quad_n);
    step(stage, 7, quad_m, quad_n);
    step(stage, 8, quad_m, quad_n);
    step(stage, 9, quad_m, quad_n);
    step(stage, 10, quad_m, quad_n);
    step(stage, 11, quad_m, quad_n);
    step(stage, 12, quad_m, quad_n);
    step(stage, 13, quad_m, quad_n);
    step(stage, 14, quad_m, quad_n);
    step(stage, 15, quad_m, quad_n);
    if (STAGES == 1) { workgroupBarrier(); }
    stage = (stage + 1) % STAGES;
    if (next < count) { place(f, stage, count - next); }
    workgroupBarrier();
  }

  write_row(group.z, row, column, sum_0, more_0);
  write_row(group.z, row + 1, column, sum_1, more_1);
  write_row(group.z, row + 2, column, sum_2, more_2);
  write_row(group.z, row + 3, column, sum_3, more_3);
  if (ROW_QUADS == 2) {
    write_row(group.z, row + 32, column, sum_4, more_4);
    write_row(group.z, row + 33, column, sum_5, more_5);
    write_row(group.z, row + 34, column, sum_6, more_6);
    write_row(group.z, row + 35, column, sum_7, more_7);
  }
}
