// What queries and keys are when every block has M keys; nothing is looked up.

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

fn look_at_keys(b: u32, j: u32) -> Keys {
  let keys = vec4u(j, j + 1, j + 2, j + 3);
  let slot = min(keys / M, vec4u(params.N - 1));
  // A last block without a landmark has no later ones that would ask for it.
  return Keys(vec4i(keys), slot, vec4i(keys / M * M + M - 1));
}

/// `t` counts from params.t_first.
fn look_as_query(b: u32, t: u32) -> Query {
  let i = params.S - params.T + params.t_first + t;
  if (t >= params.t_count) { return Query(-1, 0, 0); }
  return Query(i32(i), 0, i32(i / M * M));
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
  return select(params.N, min(j / M, params.N), j % M == M - 1);
}

/// `row` is where the query's levels begin.
fn look_at_levels(keys: Keys, row: u32) -> Levels {
  let step = params.t_count;
  let own = kept_levels[row + params.N * step];
  let x = kept_levels[row + keys.slot.x * step];
  if (M % 4 == 0) { return Levels(own, vec4f(x.x), vec4f(x.y)); }
  let y = kept_levels[row + keys.slot.y * step];
  let z = kept_levels[row + keys.slot.z * step];
  let w = kept_levels[row + keys.slot.w * step];
  return Levels(own, vec4f(x.x, y.x, z.x, w.x), vec4f(x.y, y.y, z.y, w.y));
}

/// The first key that any of 64 queries sees, from `t` on.
fn first_key(b: u32, t: u32) -> u32 {
  return 0;
}
