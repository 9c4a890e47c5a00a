// Scores of 64 queries and 64 keys, before they are scaled: q·k, and where positions are RELATIVE
// those of the distances between them.

/// A query's and a key's distance is the number n = 63 + column − row of those from the furthest on.
fn shift(row: u32, column: u32) -> u32 {
  return TILE - 1 + column - row;
}

/// The row of the n-th distance between a tile of queries and one of keys.
fn met_row(t: u32, j: u32, n: u32, h: u32) -> u32 {
  return distance_row(i32(key_of(t) + TILE - 1) - i32(j + n), h);
}

/// `rows`: as products() takes them; queries from t on, keys from j on.
fn scores(rows: Rows, t: u32, j: u32, h: u32, lane: u32, at: Place) -> Tile {
  if (RELATIVE == 0) { return products(0, rows, lane, at); }
  var s = Tile();
  // One loop, as compilers put what is called where it is called from.
  for (var part = 0u; part < 3; part++) {
    var met = rows;
    if (part > 0) {
      let n = (part - 1) * TILE + lane / SLICE;
      met.key0 = met_row(t, j, n, h);
      met.key1 = met_row(t, j, n + 32, h);
    }
    let sums = products(select(2u, 0u, part == 0), met, lane, at);
    if (part == 0) { s = sums; } else { s = added(s, sheared(part - 1, sums, at)); }
  }
  return s;
}

/// Puts a tile's rows down as columns: weights_tile [key, query].
fn put_turned(low: mat4x4f, high: mat4x4f, at: Place) {
  let step = at.x / 4;
  let i = at.x % 4 * 4;
  let a = transpose(low);
  let b = transpose(high);
  weights_tile[step][i][at.y] = a[0];
  weights_tile[step][i + 1][at.y] = a[1];
  weights_tile[step][i + 2][at.y] = a[2];
  weights_tile[step][i + 3][at.y] = a[3];
  weights_tile[step][i][at.y + 8] = b[0];
  weights_tile[step][i + 1][at.y + 8] = b[1];
  weights_tile[step][i + 2][at.y + 8] = b[2];
  weights_tile[step][i + 3][at.y + 8] = b[3];
}

/// Adds weights_tileᵀ · k, or · v on the other side; the columns from 4 · quad on.
fn add_keys(sum: Tile, side: u32, b: u32, key: u32, g: u32, quad: u32, lane: u32, at: Place) -> Tile {
  let x = quad + lane % 16;
  let y = lane / 16;
  var total = sum;
  var next0 = key_quad(side, key_row(b, key + y, g), x);
  var next1 = key_quad(side, key_row(b, key + y + 8, g), x);
  for (var step = 0u; step < TILE / STEP; step++) {
    workgroupBarrier();
    step_rows[y][lane % 16] = next0;
    step_rows[y + 8][lane % 16] = next1;
    workgroupBarrier();
    if (step + 1 < TILE / STEP) {
      next0 = key_quad(side, key_row(b, key + (step + 1) * STEP + y, g), x);
      next1 = key_quad(side, key_row(b, key + (step + 1) * STEP + y + 8, g), x);
    }
    total = add_step(total, step, at);
  }
  return total;
}
