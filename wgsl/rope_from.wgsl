// x [T, H, D] beside out; in front of rope.wgsl.

@group(0) @binding(4) var<storage, read> x: array<Number>;

fn read_x(i: u32) -> Number {
  return x[params.x_at / WIDE + i];
}
