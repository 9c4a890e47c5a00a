// Weights and score gradients of landmark attention. Every query has levels (A, D), one for each
// earlier block and one of its own, and a key's is
//
//   weight p = exp(scale · s − A)     gradient of scale · s = p · (e − D)     e = dOut · v
//
// A regular key of an earlier block takes its block's level: A = lse + top − gate, D = Σ π · e. Own
// keys and gates take the query's own, (top, δ); a gate's e is its block's D.

/// The levels that a query has for four keys.
struct Levels {
  own: vec2f,
  x: vec2f,
  y: vec2f,
  z: vec2f,
  w: vec2f,
}

fn weight(j: i32, end: i32, query: Query, own: vec2f, level: vec2f, s: f32) -> f32 {
  let is_own = j >= query.block;
  let is_landmark = end == j;
  let is_hidden = j < query.document || j > query.key || end < select(0, -1, is_own) ||
    (is_own && is_landmark);
  let p = exp(params.scale * s - select(level.x, own.x, is_own || is_landmark));
  return select(p, 0.0, is_hidden);
}

fn slope(j: i32, end: i32, query: Query, own: vec2f, level: vec2f, p: f32, e: f32) -> f32 {
  let is_own = j >= query.block;
  let is_gate = !is_own && end == j;
  let ds = p * (select(e, level.y, is_gate) - select(level.y, own.y, is_own || is_gate));
  // What is hidden may have any level, even none that is a number.
  return select(ds, 0.0, p == 0);
}

/// The weights of four keys; a gate's is its own, not its value's.
fn weights(keys: Keys, query: Query, levels: Levels, s: vec4f) -> vec4f {
  let j = keys.first;
  return vec4f(
    weight(j, keys.end.x, query, levels.own, levels.x, s.x),
    weight(j + 1, keys.end.y, query, levels.own, levels.y, s.y),
    weight(j + 2, keys.end.z, query, levels.own, levels.z, s.z),
    weight(j + 3, keys.end.w, query, levels.own, levels.w, s.w),
  );
}

/// The gradients of four scores, from their weights and e.
fn slopes(keys: Keys, query: Query, levels: Levels, p: vec4f, e: vec4f) -> vec4f {
  let j = keys.first;
  return vec4f(
    slope(j, keys.end.x, query, levels.own, levels.x, p.x, e.x),
    slope(j + 1, keys.end.y, query, levels.own, levels.y, p.y, e.y),
    slope(j + 2, keys.end.z, query, levels.own, levels.z, p.z, e.z),
    slope(j + 3, keys.end.w, query, levels.own, levels.w, p.w, e.w),
  );
}
