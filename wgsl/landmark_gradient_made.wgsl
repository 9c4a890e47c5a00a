// Levels made on the way, where every block that has a landmark ends an aligned stretch of M keys and
// begins in it: M = 4 … 64, a power of two, so that a tile holds whole blocks. The workgroups of part
// 0 keep them for the kernel that walks over queries.

@group(0) @binding(5) var<storage, read_write> kept_levels: array<vec2f>;

/// Lanes that have the keys of a stretch.
const BLOCK_LANES = M / 4;

/// Levels of the tile's queries, and of the tile's blocks; its keys are `key` ….
fn make_levels(work: Work, key: u32, keys: Keys, s: Tile, e: Tile, lane: u32, at: Place) {
  put_summaries(keys, s, e, at);
  workgroupBarrier();
  for (var item = lane; item < TILE * TILE / M; item += 128) {
    let t = item % TILE;
    let stretch = item / TILE;
    let query = work.row + work.first + t;
    let top = kept_levels[query + params.N * params.t_count].x;
    let begin = stretch * BLOCK_LANES;
    let level = level_of(summary_of(t, begin), top);
    weights_tile[t / 16][t % 16][begin] = vec4f(level, 0, 0);
    let slot = gated_slot(work.b, key + stretch * M + M - 1);
    if (work.part == 0 && work.first + t < params.t_count && slot < params.N) {
      kept_levels[query + slot * params.t_count] = level;
    }
  }
  workgroupBarrier();
}

/// Of query t of the tile, for the keys of lane x.
fn levels_of(keys: Keys, work: Work, t: u32, x: u32) -> Levels {
  let own = kept_levels[work.row + params.N * params.t_count + work.first + t];
  let level = weights_tile[t / 16][t % 16][x / BLOCK_LANES * BLOCK_LANES].xy;
  return Levels(own, vec4f(level.x), vec4f(level.y));
}
