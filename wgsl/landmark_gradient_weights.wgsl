// Weights and score gradients of landmark attention. Every query has levels (A, D), one for each
// earlier block and one of its own, and a key's is
//
//   weight p = exp(scale · s − A)     gradient of scale · s = p · (e − D)     e = dOut · v
//
// A regular key of an earlier block takes its block's level: A = lse + top − gate, D = Σ π · e. Own
// keys and gates take the query's own, (top, δ); a gate's e is its block's D.

/// The levels that a query has: its own, and those of four keys' blocks.
struct Levels {
  own: vec2f,
  a: vec4f,
  d: vec4f,
}

/// The weights of four keys; a gate's is its own, not its value's.
fn weights(keys: Keys, query: Query, levels: Levels, s: vec4f) -> vec4f {
  let j = keys.at;
  let is_own = j >= vec4i(query.block);
  let is_landmark = keys.end == j;
  let least = select(vec4i(0), vec4i(-1), is_own);
  let is_hidden = (j < vec4i(query.document)) | (j > vec4i(query.key)) | (keys.end < least) |
    (is_own & is_landmark);
  let a = select(levels.a, vec4f(levels.own.x), is_own | is_landmark);
  return select(exp(params.scale * s - a), vec4f(), is_hidden);
}

/// The gradients of four scores, from their weights and e.
fn slopes(keys: Keys, query: Query, levels: Levels, p: vec4f, e: vec4f) -> vec4f {
  let is_own = keys.at >= vec4i(query.block);
  let is_gate = (keys.end == keys.at) & !is_own;
  let d = select(levels.d, vec4f(levels.own.y), is_own | is_gate);
  let ds = p * (select(e, levels.d, is_gate) - d);
  // What is hidden may have any level, even none that is a number.
  return select(ds, vec4f(), p == vec4f());
}
