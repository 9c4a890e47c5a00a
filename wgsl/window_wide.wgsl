// What attention over a window reads, four numbers at a time: D and all offsets are multiples of 4.
// A row is one token's D numbers of one head; what lies outside is zero.

@group(0) @binding(1) var<storage, read> q: array<vec4f>; // the second half: as distances meet it
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> distances: array<vec4f>; // [P, H, D]
@group(0) @binding(5) var<storage, read> d_out: array<vec4f>;

const NO_ROW = 0xffffffffu;
const ROW_QUADS = D / 4;

/// Of q, d_out, or q where it meets distances.
fn query_quad(side: u32, row: u32, quad: u32) -> vec4f {
  if ((row == NO_ROW) | (quad >= ROW_QUADS)) { return vec4f(); }
  let at = row * ROW_QUADS + quad;
  if (side == 0) { return q[params.q_at / 4 + at]; }
  if (side == 1) { return d_out[params.d_out_at / 4 + at]; }
  return q[params.q_at / 4 + params.B * params.T * params.H * ROW_QUADS + at];
}

/// Of k, v, or distances.
fn key_quad(side: u32, row: u32, quad: u32) -> vec4f {
  if ((row == NO_ROW) | (quad >= ROW_QUADS)) { return vec4f(); }
  let at = row * ROW_QUADS + quad;
  if (side == 0) { return k[params.k_at / 4 + at]; }
  if (side == 1) { return v[params.v_at / 4 + at]; }
  return distances[params.distances_at / 4 + at];
}
