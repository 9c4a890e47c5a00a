// What queries and keys are, of any plan: sights i32 [R, S, 4], see src/device/gpu/blocks.ts.

@group(0) @binding(6) var<storage, read> sights: array<vec4i>;

/// Four keys: their places, their blocks' numbers, the landmarks that end their blocks.
struct Keys {
  at: vec4i,
  slot: vec4u,
  end: vec4i,
}

/// A query: the key it stands at, the first key of its document and of its block.
struct Query {
  key: i32,
  document: i32,
  block: i32,
}

fn sight(b: u32, j: u32) -> vec4i {
  // No query sees what lies behind the last key.
  if (j >= params.S) { return vec4i(0, 0, 0, -2); }
  return sights[b * params.row_keys + j];
}

fn look_at_keys(b: u32, j: u32) -> Keys {
  let x = sight(b, j);
  let y = sight(b, j + 1);
  let z = sight(b, j + 2);
  let w = sight(b, j + 3);
  let slot = vec4u(max(vec4i(x.x, y.x, z.x, w.x), vec4i(0)));
  return Keys(i32(j) + vec4i(0, 1, 2, 3), slot, vec4i(x.w, y.w, z.w, w.w));
}

/// `t` counts from params.t_first.
fn look_as_query(b: u32, t: u32) -> Query {
  let i = params.S - params.T + params.t_first + t;
  if (t >= params.t_count) { return Query(-1, 0, 0); }
  let s = sights[b * params.row_keys + i];
  return Query(i32(i), s.y, s.z);
}

/// Of key or value j in its tensor.
fn key_row(b: u32, j: u32, g: u32) -> u32 {
  if (j >= params.S) { return NO_ROW; }
  return (b * params.S + j) * params.G + g;
}

/// The first query that could see key j.
fn first_query(j: u32) -> u32 {
  let before = params.S - params.T + params.t_first;
  return select(0, j - before, j > before);
}

/// How many keys the query could see.
fn keys_before(t: u32) -> u32 {
  return params.S - params.T + params.t_first + min(t, params.t_count - 1) + 1;
}

/// A landmark's value is never used: whatever is summed up for it is nothing.
fn has_value(b: u32, j: u32) -> bool {
  return look_at_keys(b, j).end.x != i32(j);
}

/// The number of the block that ends with key j; params.N if there is none.
fn gated_slot(b: u32, j: u32) -> u32 {
  let s = sight(b, j);
  return select(params.N, u32(s.x), s.w == i32(j));
}

/// `row` is where the query's levels begin.
fn look_at_levels(keys: Keys, row: u32) -> Levels {
  let step = params.t_count;
  let own = kept_levels[row + params.N * step];
  let x = kept_levels[row + keys.slot.x * step];
  let y = kept_levels[row + keys.slot.y * step];
  let z = kept_levels[row + keys.slot.z * step];
  let w = kept_levels[row + keys.slot.w * step];
  return Levels(own, vec4f(x.x, y.x, z.x, w.x), vec4f(x.y, y.y, z.y, w.y));
}

/// The first key that any of 64 queries sees, from `t` on; one past the last if they see none.
fn first_key(b: u32, t: u32) -> u32 {
  // Of queries that see anything at all, the first sees the first key.
  for (var i = t; i < min(t + 64, params.t_count); i++) {
    let query = look_as_query(b, i);
    if (query.document <= query.key) { return u32(query.document); }
  }
  return params.S;
}
