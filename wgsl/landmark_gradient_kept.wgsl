// Levels that an earlier kernel left.

@group(0) @binding(5) var<storage, read> kept_levels: array<vec2f>;

fn make_levels(work: Work, key: u32, keys: Keys, s: Tile, e: Tile, lane: u32, at: Place) {
  // Nothing is left to do.
}

/// Of query t of the tile, for a lane's keys.
fn levels_of(keys: Keys, work: Work, t: u32, x: u32) -> Levels {
  return look_at_levels(keys, work.row + work.first + t);
}
