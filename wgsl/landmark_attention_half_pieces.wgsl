// How rows of D halves get into workgroup memory
//
// A tile's rows are read in pieces, so many at once as a thread holds, so that they may be on their
// way while the tile before is worked on; then they are put down. piece(which, at) is the kernel's: it
// says which tensor is read.
//
// Constants: WORDS, the 32-bit words of a piece: 1, so that neighbours put down neighbouring words and
// meet in no memory bank, or 4, for the fewest reads. THREADS, and TILE_ROWS, are the kernel's.

const PIECE = 2 * WORDS; // halves
const PIECES_A_ROW = D / PIECE;
const ROWS_AT_ONCE = THREADS / PIECES_A_ROW; // that all threads read, a piece each
const HELD_ROWS = min(TILE_ROWS, 32 * THREADS / D); // that they hold, up to 16 words each
const HELD_WORDS = HELD_ROWS * D / 2 / THREADS;
const LONG = D + 8; // a row in workgroup memory: the 8 turn the banks

struct Pieces {
  x0: vec4u,
  x1: vec4u,
  x2: vec4u,
  x3: vec4u,
}

// Of the rows that begin at `start`, `step` halves apart, as many as are held.
fn read_rows(which: u32, start: u32, step: u32, id: u32) -> Pieces {
  let at = (start + id / PIECES_A_ROW * step) / PIECE + id % PIECES_A_ROW;
  let further = ROWS_AT_ONCE * step / PIECE;
  var pieces = Pieces();
  pieces.x0 = read_four(which, at, further, 0);
  if (HELD_WORDS > 4) { pieces.x1 = read_four(which, at, further, 1); }
  if (HELD_WORDS > 8) {
    pieces.x2 = read_four(which, at, further, 2);
    pieces.x3 = read_four(which, at, further, 3);
  }
  return pieces;
}

// Puts them into a tile's rows from `row` on.
fn put_rows(tile: u32, row: u32, pieces: Pieces, id: u32) {
  let at = tile + (row + id / PIECES_A_ROW) * LONG + id % PIECES_A_ROW * PIECE;
  put_four(at, 0, pieces.x0);
  if (HELD_WORDS > 4) { put_four(at, 1, pieces.x1); }
  if (HELD_WORDS > 8) {
    put_four(at, 2, pieces.x2);
    put_four(at, 3, pieces.x3);
  }
}

fn put_two(at: u32, word: u32) {
  let numbers = bitcast<vec2h>(word);
  tiles[at] = numbers.x;
  tiles[at + 1] = numbers.y;
}

// The whole tile, where it is more than what is held.
fn stage_rows(which: u32, start: u32, step: u32, tile: u32, id: u32) {
  for (var row = 0u; row < TILE_ROWS; row += HELD_ROWS) {
    put_rows(tile, row, read_rows(which, start + row * step, step, id), id);
  }
}
