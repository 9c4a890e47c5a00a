// landmark_attention_half_pieces.wgsl a word at a time.

alias Piece = u32;

fn read_four(which: u32, at: u32, further: u32, i: u32) -> vec4u {
  let first = at + 4 * i * further;
  return vec4u(
    piece(which, first),
    piece(which, first + further),
    piece(which, first + 2 * further),
    piece(which, first + 3 * further),
  );
}

fn put_four(at: u32, i: u32, four: vec4u) {
  let first = at + 4 * i * ROWS_AT_ONCE * LONG;
  put_two(first, four.x);
  put_two(first + ROWS_AT_ONCE * LONG, four.y);
  put_two(first + 2 * ROWS_AT_ONCE * LONG, four.z);
  put_two(first + 3 * ROWS_AT_ONCE * LONG, four.w);
}
