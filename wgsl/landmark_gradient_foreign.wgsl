// Foreign blocks in the place of keys: k and v are the pool's, f32 [N, G, D], and batch row b sees
// the entries index [b, S] of it. All of them are in the top group of every query.

@group(0) @binding(6) var<storage, read> index: array<i32>;

/// Four places of a list: whether there is an entry.
struct Keys {
  is: vec4<bool>,
}

/// Whether there is such a query.
struct Query {
  is: bool,
}

fn key_row(b: u32, j: u32, g: u32) -> u32 {
  if (j >= params.S) { return NO_ROW; }
  let entry = index[params.sights_at + b * params.S + j];
  if (entry < 0) { return NO_ROW; }
  return u32(entry) * params.G + g;
}

fn look_at_keys(b: u32, j: u32) -> Keys {
  let x = key_row(b, j, 0) != NO_ROW;
  let y = key_row(b, j + 1, 0) != NO_ROW;
  let z = key_row(b, j + 2, 0) != NO_ROW;
  let w = key_row(b, j + 3, 0) != NO_ROW;
  return Keys(vec4<bool>(x, y, z, w));
}

/// `t` counts from params.t_first.
fn look_as_query(b: u32, t: u32) -> Query {
  return Query(t < params.t_count);
}

fn first_query(j: u32) -> u32 {
  return 0;
}

fn keys_before(t: u32) -> u32 {
  return params.S;
}

/// The first entry that any of 64 queries sees, from `t` on.
fn first_key(b: u32, t: u32) -> u32 {
  return 0;
}

/// (top, δ) of a query. What is added to the scores is taken from top.
struct Levels {
  own: vec2f,
}

/// `row` is where the query's levels begin.
fn look_at_levels(keys: Keys, row: u32) -> Levels {
  return Levels(kept_levels[row + params.N * params.t_count] - vec2f(params.foreign_bias, 0));
}

/// The weights of four entries. The top of a query that sees nothing is so large that all are 0.
fn weights(keys: Keys, query: Query, levels: Levels, s: vec4f) -> vec4f {
  let p = exp(params.scale * s - levels.own.x);
  return select(vec4f(), p, keys.is & vec4<bool>(query.is));
}

/// The gradients of four scores, from their weights and e.
fn slopes(keys: Keys, query: Query, levels: Levels, p: vec4f, e: vec4f) -> vec4f {
  return select(vec4f(), p * (e - levels.own.y), keys.is & vec4<bool>(query.is));
}

fn has_value(b: u32, j: u32) -> bool {
  return true;
}
