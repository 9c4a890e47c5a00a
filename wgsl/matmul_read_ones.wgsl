// Numbers of a and b that may begin anywhere. Past a buffer's end WebGPU gives some number.

@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;

fn a_four(at: u32) -> vec4f {
  return vec4f(a[at], a[at + 1], a[at + 2], a[at + 3]);
}

fn b_four(at: u32) -> vec4f {
  return vec4f(b[at], b[at + 1], b[at + 2], b[at + 3]);
}
