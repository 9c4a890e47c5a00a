// Numbers of out, four at once: it begins at a multiple of four, and so do its rows.

@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

fn out_four(at: u32) -> vec4f {
  return out[at / 4];
}

// The first `count` of four numbers; count is 4 here, or 0.
fn write_out(at: u32, count: u32, four: vec4f) {
  if (count > 0) { out[at / 4] = four; }
}
