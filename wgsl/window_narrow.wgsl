// What attention over a window reads, one number at a time: any D, any offset. A row is one token's
// D numbers of one head; what lies outside is zero.

@group(0) @binding(1) var<storage, read> q: array<f32>; // the second half: as distances meet it
@group(0) @binding(2) var<storage, read> k: array<f32>;
@group(0) @binding(3) var<storage, read> v: array<f32>;
@group(0) @binding(4) var<storage, read> distances: array<f32>; // [P, H, D]
@group(0) @binding(5) var<storage, read> d_out: array<f32>;

const NO_ROW = 0xffffffffu;

/// Of q, d_out, or q where it meets distances.
fn query_quad(side: u32, row: u32, quad: u32) -> vec4f {
  var x = vec4f();
  if (row == NO_ROW) { return x; }
  for (var i = 0u; i < 4; i++) {
    if (quad * 4 + i >= D) { break; }
    let at = row * D + quad * 4 + i;
    if (side == 0) { x[i] = q[params.q_at + at]; }
    if (side == 1) { x[i] = d_out[params.d_out_at + at]; }
    if (side == 2) { x[i] = q[params.q_at + params.B * params.T * params.H * D + at]; }
  }
  return x;
}

/// Of k, v, or distances.
fn key_quad(side: u32, row: u32, quad: u32) -> vec4f {
  var x = vec4f();
  if (row == NO_ROW) { return x; }
  for (var i = 0u; i < 4; i++) {
    if (quad * 4 + i >= D) { break; }
    let at = row * D + quad * 4 + i;
    if (side == 0) { x[i] = k[params.k_at + at]; }
    if (side == 1) { x[i] = v[params.v_at + at]; }
    if (side == 2) { x[i] = distances[params.distances_at + at]; }
  }
  return x;
}
