// x is out; in front of rope.wgsl.

fn read_x(i: u32) -> Number {
  return out[params.x_at / WIDE + i];
}
