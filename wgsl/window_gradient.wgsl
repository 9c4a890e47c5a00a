// Weights of attention over a window, and gradients of its scores, from levels (log-sum-exp, Δ):
// p = exp(scale · s − lse), ds = p (e − Δ), e = dOut · v.

@group(0) @binding(6) var<storage, read> levels: array<vec2f>; // [B, T, H]

fn level_of(b: u32, t: u32, h: u32) -> vec2f {
  return levels[params.levels_at / 2 + query_row(b, min(t, params.T - 1), h)];
}

/// The weights of four keys.
fn weights(level: vec2f, t: u32, keys: vec4i, s: vec4f) -> vec4f {
  return select(vec4f(), exp(params.scale * s - level.x), sees(t, keys));
}

/// Of four queries from t on.
fn weights_of_four(b: u32, t: u32, h: u32, keys: vec4i, s: mat4x4f) -> mat4x4f {
  return mat4x4f(
    weights(level_of(b, t, h), t, keys, s[0]),
    weights(level_of(b, t + 1, h), t + 1, keys, s[1]),
    weights(level_of(b, t + 2, h), t + 2, keys, s[2]),
    weights(level_of(b, t + 3, h), t + 3, keys, s[3]),
  );
}

/// The gradients of the scores of four queries from t on, from their weights and e.
fn slopes_of_four(b: u32, t: u32, h: u32, p: mat4x4f, e: mat4x4f) -> mat4x4f {
  return mat4x4f(
    p[0] * (e[0] - level_of(b, t, h).y),
    p[1] * (e[1] - level_of(b, t + 1, h).y),
    p[2] * (e[2] - level_of(b, t + 2, h).y),
    p[3] * (e[3] - level_of(b, t + 3, h).y),
  );
}
