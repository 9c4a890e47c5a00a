// Slopes of landmark_attention_half_queries.wgsl, and the levels that it keeps for the pass over keys

// The slopes of key … key + 15.
fn slopes(x: mat4x4f, y: mat4x4f, key: u32, level: Level, row: Row, mixed: bool) -> mat4x4f {
  let earlier = !mixed || key + 16 <= row.own;
  let marked = (key + 16) % M == 0 && earlier;
  let inner = select(row.delta, level.inner, earlier);
  let of_landmark = exp2(level.gate) * (level.inner - row.delta);
  return with_last(slopes_of(weigh(x, key, level, row, mixed), y, inner), of_landmark, marked);
}

// Keeps the level of the block that has `key`, if the row sees it as an earlier one.
fn keep(level: Level, key: u32, row: Row, head: u32, t: u32) {
  if (key + 16 > row.own) { return; }
  levels[head + key / M * params.T + t] = vec2f(level.offset, level.inner);
}

// Those of a tile's blocks, each by one thread.
fn keep_all(l: Levels, key: u32, row: Row, lane: Lane, head: u32, t: u32) {
  if (M == 16) {
    keep(l.l0, key, row, head, t);
    keep(l.l1, key + NEXT, row, head, t);
    if (!HALVED) {
      keep(l.l2, key + 32, row, head, t);
      keep(l.l3, key + 48, row, head, t);
    }
  } else if (lane.key == 0) {
    keep(l.l0, key, row, head, t);
    if (M == 32 && HALVED) { keep(l.l1, key + 32, row, head, t); }
    if (M == 32 && !HALVED) { keep(l.l2, key + 32, row, head, t); }
  }
}

// As query_16 has queries.
fn gradient_16(at: u32, row: u32, c: u32) -> Right {
  let stride = params.H * D;
  let first = params.d_out_at + at + select(16 * c, row * stride + 16 * (c % 4), ROWS == 32);
  return subgroupMatrixLoad<Right, col_major>(&d_out, first, stride);
}

// Adds 16 rows from `line` on and 16 columns; all subgroups do at once.
fn write(sum: Sum, at: u32, line: u32, column: u32, subgroup: u32, own: u32) {
  let mine = subgroup * SCORES;
  let factor = params.scale / half_factor(most[params.most_at]);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, mine, sum, 16);
  workgroupBarrier();
  for (var i = own; i < 256; i += 32) {
    d_q[at + (line + i / 16) * params.H * D + column + i % 16] += factor * scores[mine + i];
  }
}
