// matmul_f16_tiles.wgsl a word at a time: neighbours put down neighbouring words, and meet in no
// memory bank.

alias Piece = u32;

fn read_a(side: Side, tile: u32) -> Read {
  let at = side.at + tile * side.next;
  return Read(
    four_of_a(at, side.step),
    four_of_a(at + 4 * side.step, side.step),
    four_of_a(at + 8 * side.step, side.step),
    four_of_a(at + 12 * side.step, side.step),
  );
}

fn four_of_a(at: u32, step: u32) -> vec4u {
  return vec4u(
    piece_of_a(at),
    piece_of_a(at + step),
    piece_of_a(at + 2 * step),
    piece_of_a(at + 3 * step),
  );
}

fn read_b(side: Side, tile: u32) -> Read {
  let at = side.at + tile * side.next;
  return Read(
    four_of_b(at, side.step),
    four_of_b(at + 4 * side.step, side.step),
    four_of_b(at + 8 * side.step, side.step),
    four_of_b(at + 12 * side.step, side.step),
  );
}

fn four_of_b(at: u32, step: u32) -> vec4u {
  return vec4u(
    piece_of_b(at),
    piece_of_b(at + step),
    piece_of_b(at + 2 * step),
    piece_of_b(at + 3 * step),
  );
}

// The pieces from `first` on.
fn put_four(side: Side, stage: u32, first: u32, four: vec4u, left: u32) {
  put_word(side, stage, first, four.x, left);
  put_word(side, stage, first + 1, four.y, left);
  put_word(side, stage, first + 2, four.z, left);
  put_word(side, stage, first + 3, four.w, left);
}

fn put_word(side: Side, stage: u32, i: u32, word: u32, left: u32) {
  put_two(stage + side.place + i * side.place_step, select(0, word, side.k + i * side.k_step < left));
}
