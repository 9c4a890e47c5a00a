// Products of 64 queries and 64 keys, by 128 lanes. Lane (x, y), x < 16 and y < 8, has the keys
// 4x … 4x + 3 and the queries 4y … 4y + 3 and 32 + 4y … 32 + 4y + 3: eight rows of four numbers.
// What a lane does is spelled out; if SPELLED is 0 it is done in loops, which are slower and take
// less time to compile.

const TILE = 64u;
/// Quads of the inner axis that are in workgroup memory at a time; one more keeps banks apart.
const SLICE = 4u;
const SLICES = (D + 15) / 16;
/// Rows that an outer product takes at a time.
const STEP = 16u;

/// Eight rows of four numbers.
struct Tile {
  low: mat4x4f,
  high: mat4x4f,
}

/// Row i of eight: chosen, as to index it would move it to memory.
fn row_of(tile: Tile, i: u32) -> vec4f {
  let is_odd = (i & 1) != 0;
  let low = select(
    select(tile.low[0], tile.low[1], is_odd),
    select(tile.low[2], tile.low[3], is_odd),
    (i & 2) != 0,
  );
  let high = select(
    select(tile.high[0], tile.high[1], is_odd),
    select(tile.high[2], tile.high[3], is_odd),
    (i & 2) != 0,
  );
  return select(low, high, i >= 4);
}

/// Where row i of a lane's eight is behind its first one.
fn step_of(i: u32) -> u32 {
  return i % 4 + i / 4 * 32;
}

/// The place of a lane: of 32 lanes, 8 have one y after another, so that they read few numbers.
struct Place {
  x: u32,
  y: u32,
}

fn place_of(lane: u32) -> Place {
  return Place((lane & 7) | ((lane >> 2) & 8), ((lane >> 3) & 3) | ((lane >> 4) & 4));
}

/// Slices and steps come in turns where there are two BUFFERS, and one barrier each will do.
var<workgroup> query_slice: array<array<vec4f, SLICE + 1>, BUFFERS * TILE>;
var<workgroup> key_slice: array<array<vec4f, SLICE + 1>, BUFFERS * TILE>;
/// One side of an outer product: [row / 16][row % 16][column / 4].
var<workgroup> weights_tile: array<array<array<vec4f, TILE / 4 + 1>, STEP>, TILE / STEP>;
/// The other one: 16 rows of 64 numbers.
var<workgroup> step_rows: array<array<vec4f, 16>, BUFFERS * STEP>;

/// The rows that a lane brings in: its queries and its keys lane / 4 and 32 + lane / 4.
struct Rows {
  query0: u32,
  query1: u32,
  key0: u32,
  key1: u32,
}

/// What a lane has on its way to a slice.
struct Quads {
  query0: vec4f,
  query1: vec4f,
  key0: vec4f,
  key1: vec4f,
}

fn fetch(side: u32, rows: Rows, quad: u32) -> Quads {
  return Quads(
    query_quad(side, rows.query0, quad),
    query_quad(side, rows.query1, quad),
    key_quad(side, rows.key0, quad),
    key_quad(side, rows.key1, quad),
  );
}

/// c + a · b, a chain of fused steps.
fn add_dot(a: vec4f, b: vec4f, c: f32) -> f32 {
  return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, c))));
}

fn add_dots(a: vec4f, b: mat4x4f, c: vec4f) -> vec4f {
  return vec4f(
    add_dot(a, b[0], c.x),
    add_dot(a, b[1], c.y),
    add_dot(a, b[2], c.z),
    add_dot(a, b[3], c.w),
  );
}

/// Adds the products of quad i of a slice.
fn add_quad(sum: Tile, turn: u32, i: u32, at: Place) -> Tile {
  let x = turn * TILE + at.x;
  let y = turn * TILE + at.y;
  let keys = mat4x4f(
    key_slice[x][i],
    key_slice[x + 16][i],
    key_slice[x + 32][i],
    key_slice[x + 48][i],
  );
  let low = mat4x4f(
    add_dots(query_slice[y][i], keys, sum.low[0]),
    add_dots(query_slice[y + 8][i], keys, sum.low[1]),
    add_dots(query_slice[y + 16][i], keys, sum.low[2]),
    add_dots(query_slice[y + 24][i], keys, sum.low[3]),
  );
  let high = mat4x4f(
    add_dots(query_slice[y + 32][i], keys, sum.high[0]),
    add_dots(query_slice[y + 40][i], keys, sum.high[1]),
    add_dots(query_slice[y + 48][i], keys, sum.high[2]),
    add_dots(query_slice[y + 56][i], keys, sum.high[3]),
  );
  return Tile(low, high);
}

/// q · kᵀ, or d_out · vᵀ on the other side. There is a barrier before anything is written.
fn products(side: u32, rows: Rows, lane: u32, at: Place) -> Tile {
  let quad = lane % SLICE;
  let row = lane / SLICE;
  // Where a lane's rows lie next to those that other lanes read with them.
  let query_slot = row % 4 * 8 + row / 4;
  let key_slot = row % 4 * 16 + row / 4;
  var sum = Tile();
  var next = fetch(side, rows, quad);
  for (var slice = 0u; slice < SLICES; slice++) {
    let turn = slice % BUFFERS;
    if (BUFFERS == 1 || slice == 0) { workgroupBarrier(); }
    query_slice[turn * TILE + query_slot][quad] = next.query0;
    query_slice[turn * TILE + query_slot + 32][quad] = next.query1;
    key_slice[turn * TILE + key_slot][quad] = next.key0;
    key_slice[turn * TILE + key_slot + 8][quad] = next.key1;
    workgroupBarrier();
    // What comes next is under way while this is worked on.
    if (slice + 1 < SLICES) { next = fetch(side, rows, (slice + 1) * SLICE + quad); }
    if (SPELLED == 0) {
      for (var i = 0u; i < SLICE; i++) { sum = add_quad(sum, turn, i, at); }
    } else {
      sum = add_quad(sum, turn, 0, at);
      sum = add_quad(sum, turn, 1, at);
      sum = add_quad(sum, turn, 2, at);
      sum = add_quad(sum, turn, 3, at);
    }
  }
  return sum;
}

/// Adds the outer product of row i of a step. Indices are masked where they are not constants, so
/// that the compiler sees by itself that they are within bounds.
fn add_row(sum: Tile, step: u32, i: u32, at: Place) -> Tile {
  let row = step_rows[step % BUFFERS * STEP + i % STEP][at.x];
  let a = weights_tile[step % (TILE / STEP)][i % STEP][at.y];
  let b = weights_tile[step % (TILE / STEP)][i % STEP][at.y + 8];
  let low = mat4x4f(
    fma(vec4f(a.x), row, sum.low[0]),
    fma(vec4f(a.y), row, sum.low[1]),
    fma(vec4f(a.z), row, sum.low[2]),
    fma(vec4f(a.w), row, sum.low[3]),
  );
  let high = mat4x4f(
    fma(vec4f(b.x), row, sum.high[0]),
    fma(vec4f(b.y), row, sum.high[1]),
    fma(vec4f(b.z), row, sum.high[2]),
    fma(vec4f(b.w), row, sum.high[3]),
  );
  return Tile(low, high);
}

fn add_four_rows(sum: Tile, step: u32, i: u32, at: Place) -> Tile {
  var next = add_row(sum, step, i, at);
  next = add_row(next, step, i + 1, at);
  next = add_row(next, step, i + 2, at);
  return add_row(next, step, i + 3, at);
}

/// sum [64, 64] += weights_tileᵀ [64, 16] · step_rows [16, 64], of one step.
fn add_step(sum: Tile, step: u32, at: Place) -> Tile {
  var next = sum;
  if (SPELLED == 0) {
    for (var i = 0u; i < STEP; i++) { next = add_row(next, step, i, at); }
    return next;
  }
  next = add_four_rows(next, step, 0, at);
  next = add_four_rows(next, step, 4, at);
  next = add_four_rows(next, step, 8, at);
  return add_four_rows(next, step, 12, at);
}
