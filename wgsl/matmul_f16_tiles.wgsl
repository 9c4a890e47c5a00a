// Tiles of a f16 [m, k] and b f16 [k, n], or transposed, in workgroup memory: how they get there
//
// 128 threads fill a tile of 128 rows or columns and 32 steps of k of each side, 32 numbers a thread,
// in two halves, so that what is read from memory is on its way while another tile is multiplied. A
// side lies [row][k], or where k is its first axis [k][row].
//
// Constants: WORDS, the 32-bit words that a thread reads and puts down at once: 1 or 4.

const TILE = 128u;
const TILE_K = 32u;
// Rows of a tile are longer than they need be by 8, which turns the banks.
const LONG = TILE_K + 8;
const WIDE = TILE + 8;
const A_SIZE = select(TILE * LONG, TILE_K * WIDE, TRANSPOSE_A == 1);
const B_SIZE = select(TILE_K * WIDE, TILE * LONG, TRANSPOSE_B == 1);
const STAGE = A_SIZE + B_SIZE;
// Numbers that a thread reads at once, and how often it does.
const AT_ONCE = 2 * WORDS;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> a: array<Piece>;
@group(0) @binding(2) var<storage, read> b: array<Piece>;

// Of each stage a, then b.
var<workgroup> tiles: array<f16, STAGES * STAGE>;

// How a thread reads a side, in pieces, and where it puts what it read.
struct Side {
  at: u32,
  step: u32, // from one piece to the next of the same tile
  next: u32, // from one tile to the next
  place: u32,
  place_step: u32,
  k: u32, // the first step of k of its first piece in a tile
  k_step: u32,
}

// What a thread read of a side.
struct Read {
  x0: vec4u,
  x1: vec4u,
  x2: vec4u,
  x3: vec4u,
}

// A side whose rows lie along k.
fn long_side(start: u32, first: u32, id: u32) -> Side {
  let pieces = TILE_K / AT_ONCE; // in a row
  let rows = 128 / pieces; // that are read together
  // Where two rows meet in one access to the memory banks, they are four apart.
  let row = select(id / pieces, id / pieces % 2 * 4 + id / pieces / 2, WORDS == 1);
  let k = id % pieces * AT_ONCE;
  let at = (start + (first + row) * params.k + k) / AT_ONCE;
  let step = rows * params.k / AT_ONCE;
  return Side(at, step, TILE_K / AT_ONCE, row * LONG + k, rows * LONG, k, 0);
}

// A side [k, count].
fn wide_side(start: u32, first: u32, count: u32, id: u32) -> Side {
  let pieces = TILE / AT_ONCE;
  let rows = 128 / pieces;
  let k = id / pieces;
  let column = id % pieces * AT_ONCE;
  let at = (start + k * count + first + column) / AT_ONCE;
  let step = rows * count / AT_ONCE;
  return Side(at, step, TILE_K * count / AT_ONCE, k * WIDE + column, rows * WIDE, k, rows);
}

// What lies past the edges goes to sums that are not written.
fn piece_of_a(at: u32) -> Piece {
  return a[min(at, arrayLength(&a) - 1)];
}

fn piece_of_b(at: u32) -> Piece {
  return b[min(at, arrayLength(&b) - 1)];
}

// Two numbers into place.
fn put_two(place: u32, two: u32) {
  let numbers = bitcast<vec2h>(two);
  tiles[place] = numbers.x;
  tiles[place + 1] = numbers.y;
}

// Puts what was read of a side into a tile; `left` steps of k are, the others become zero.
fn put(side: Side, stage: u32, read: Read, left: u32) {
  put_four(side, stage, 0, read.x0, left);
  put_four(side, stage, 4, read.x1, left);
  put_four(side, stage, 8, read.x2, left);
  put_four(side, stage, 12, read.x3, left);
}
