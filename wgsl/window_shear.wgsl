// Products of queries with what slides along beside them. Of a tile of 64 queries and 64 keys,
// distances run from one corner to the other: 127 of them, in two halves. A half's products are put
// down as they are, [query, distance], and taken up by query and key, as `shift` says.

/// The number [row, column] of a half that was put into weights_tile, 0 if it is in the other one.
fn taken(half: u32, row: u32, column: u32) -> f32 {
  let n = shift(row, column) - half * TILE;
  let at = n % TILE;
  return select(0.0, weights_tile[row / STEP][row % STEP][at / 4][at % 4], n < TILE);
}

fn taken_four(half: u32, row: u32, x: u32) -> vec4f {
  return vec4f(
    taken(half, row, 4 * x),
    taken(half, row, 4 * x + 1),
    taken(half, row, 4 * x + 2),
    taken(half, row, 4 * x + 3),
  );
}

fn put_row(row: u32, x: u32, numbers: vec4f) {
  weights_tile[row / STEP][row % STEP][x] = numbers;
}

fn added(a: Tile, b: Tile) -> Tile {
  return Tile(a.low + b.low, a.high + b.high);
}

/// What a tile has of a half of its products. Barriers stand in front and between.
fn sheared(half: u32, m: Tile, at: Place) -> Tile {
  let y = 4 * at.y;
  workgroupBarrier();
  put_row(y, at.x, m.low[0]);
  put_row(y + 1, at.x, m.low[1]);
  put_row(y + 2, at.x, m.low[2]);
  put_row(y + 3, at.x, m.low[3]);
  put_row(y + 32, at.x, m.high[0]);
  put_row(y + 33, at.x, m.high[1]);
  put_row(y + 34, at.x, m.high[2]);
  put_row(y + 35, at.x, m.high[3]);
  workgroupBarrier();
  let low = mat4x4f(
    taken_four(half, y, at.x),
    taken_four(half, y + 1, at.x),
    taken_four(half, y + 2, at.x),
    taken_four(half, y + 3, at.x),
  );
  let high = mat4x4f(
    taken_four(half, y + 32, at.x),
    taken_four(half, y + 33, at.x),
    taken_four(half, y + 34, at.x),
    taken_four(half, y + 35, at.x),
  );
  return Tile(low, high);
}
