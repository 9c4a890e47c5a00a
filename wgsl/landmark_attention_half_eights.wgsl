// landmark_attention_half_pieces.wgsl four words at a time, which are eight numbers.

alias Piece = vec4u;

fn read_four(which: u32, at: u32, further: u32, i: u32) -> vec4u {
  return piece(which, at + i * further);
}

fn put_four(at: u32, i: u32, four: vec4u) {
  let first = at + i * ROWS_AT_ONCE * LONG;
  put_two(first, four.x);
  put_two(first + 2, four.y);
  put_two(first + 4, four.z);
  put_two(first + 6, four.w);
}
