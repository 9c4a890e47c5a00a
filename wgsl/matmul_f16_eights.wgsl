// matmul_f16_tiles.wgsl four words at a time, which are eight numbers: the fewest reads.

alias Piece = vec4u;

fn read_a(side: Side, tile: u32) -> Read {
  let at = side.at + tile * side.next;
  return Read(
    piece_of_a(at),
    piece_of_a(at + side.step),
    piece_of_a(at + 2 * side.step),
    piece_of_a(at + 3 * side.step),
  );
}

fn read_b(side: Side, tile: u32) -> Read {
  let at = side.at + tile * side.next;
  return Read(
    piece_of_b(at),
    piece_of_b(at + side.step),
    piece_of_b(at + 2 * side.step),
    piece_of_b(at + 3 * side.step),
  );
}

// Piece first / 4. The bound is the array's, said once for all eight numbers.
fn put_four(side: Side, stage: u32, first: u32, four: vec4u, left: u32) {
  let i = first / 4;
  let words = select(vec4u(), four, side.k + i * side.k_step < left);
  let place = min(stage + side.place + i * side.place_step, STAGES * STAGE - 8);
  put_two(place, words.x);
  put_two(place + 2, words.y);
  put_two(place + 4, words.z);
  put_two(place + 6, words.w);
}
