// What the gradients of landmark attention read, four numbers at a time: D and all offsets are
// multiples of 4. A row is one token's D numbers of one head; what lies outside is zero.

@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> d_out: array<vec4f>;

const NO_ROW = 0xffffffffu;
const ROW_QUADS = D / 4;

/// q, or d_out on the other side.
fn query_quad(side: u32, row: u32, quad: u32) -> vec4f {
  if ((row == NO_ROW) | (quad >= ROW_QUADS)) { return vec4f(); }
  if (side == 0) { return q[(params.q_at / 4) + row * ROW_QUADS + quad]; }
  return d_out[(params.d_out_at / 4) + row * ROW_QUADS + quad];
}

/// k, or v on the other side.
fn key_quad(side: u32, row: u32, quad: u32) -> vec4f {
  if ((row == NO_ROW) | (quad >= ROW_QUADS)) { return vec4f(); }
  if (side == 0) { return k[(params.k_at / 4) + row * ROW_QUADS + quad]; }
  return v[(params.v_at / 4) + row * ROW_QUADS + quad];
}
