// Numbers of a and b, four at once: both begin at a multiple of four, and so do their rows.

@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;

fn a_four(at: u32) -> vec4f {
  return a[at / 4];
}

fn b_four(at: u32) -> vec4f {
  return b[at / 4];
}
