// Levels that an earlier kernel left. `row` is where a head's levels begin.

@group(0) @binding(5) var<storage, read> kept_levels: array<vec2f>;

fn make_levels(
  b: u32,
  keys: Keys,
  s: Tile,
  e: Tile,
  row: u32,
  first: u32,
  key: u32,
  part: u32,
  at: Place,
  lane: u32,
) {
  // Nothing is left to do.
}

/// Of query t of the tile, which is query first + t.
fn levels_of(keys: Keys, row: u32, first: u32, t: u32, x: u32) -> Levels {
  return look_at_levels(keys, row + first + t);
}
