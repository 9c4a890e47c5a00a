// Numbers of out, which may begin anywhere.

@group(0) @binding(3) var<storage, read_write> out: array<f32>;

fn out_four(at: u32) -> vec4f {
  return vec4f(out[at], out[at + 1], out[at + 2], out[at + 3]);
}

// The first `count` of four numbers.
fn write_out(at: u32, count: u32, four: vec4f) {
  if (count > 0) { out[at] = four.x; }
  if (count > 1) { out[at + 1] = four.y; }
  if (count > 2) { out[at + 2] = four.z; }
  if (count > 3) { out[at + 3] = four.w; }
}
