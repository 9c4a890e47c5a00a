// Adds weights_tile [query, column]ᵀ · q, d_out, or q where it meets distances, of the queries from t on;
// the columns of D from 4 · quad on.
fn add_queries(sum: Tile, side: u32, b: u32, t: u32, h: u32, quad: u32, lane: u32, at: Place) -> Tile {
  let x = quad + lane % 16;
  let y = lane / 16;
  var total = sum;
  var next0 = query_quad(side, query_row(b, t + y, h), x);
  var next1 = query_quad(side, query_row(b, t + y + 8, h), x);
  for (var step = 0u; step < TILE / STEP; step++) {
    workgroupBarrier();
    step_rows[y][lane % 16] = next0;
    step_rows[y + 8][lane % 16] = next1;
    workgroupBarrier();
    if (step + 1 < TILE / STEP) {
      next0 = query_quad(side, query_row(b, t + (step + 1) * STEP + y, h), x);
      next1 = query_quad(side, query_row(b, t + (step + 1) * STEP + y + 8, h), x);
    }
    total = add_step(total, step, at);
  }
  return total;
}

fn put_tile(low: mat4x4f, high: mat4x4f, at: Place) {
  let y = 4 * at.y;
  put_row(y, at.x, low[0]);
  put_row(y + 1, at.x, low[1]);
  put_row(y + 2, at.x, low[2]);
  put_row(y + 3, at.x, low[3]);
  put_row(y + 32, at.x, high[0]);
  put_row(y + 33, at.x, high[1]);
  put_row(y + 34, at.x, high[2]);
  put_row(y + 35, at.x, high[3]);
}
