// Levels made on the way, where every block that has a landmark ends with a tile, and may begin in an
// earlier one. So a tile holds keys of one such block, and for a query it is either an earlier block's
// or the query's own. While a block is open its levels are not known: of its tiles
//
//   sum = Σ w · e · k     less = Σ w · k     w = exp(scale · s − most), most the largest so far
//
// are carried on, and Σ w and Σ w · e beside them. Its last tile has its levels (A, D), so that
//
//   dQ += f · (sum − D · less) + the last tile's slopes · k     f = exp(most − A)
//
// and only tiles that leave a block open take a second product. What a query has of its own block is
// whole at once. dQ takes the sums at the end of each block, as they would take registers. The
// workgroups of part 0 keep levels for the kernel that walks over queries.

@group(0) @binding(5) var<storage, read_write> kept_levels: array<vec2f>;

const BLOCK_LANES = TILE / 4;

/// Of the open block and query `lane` of the tile: the largest score, sums of exp(s − it), alone and
/// times e.
var<private> open_block: vec3f = vec3f(NOTHING, 0, 0);

/// Whether the tile of keys `key` … has a landmark at its end.
fn ends_block(work: Work, key: u32) -> bool {
  return gated_slot(work.b, key + TILE - 1) < params.N;
}

/// Whether the tile may leave a block open that one of the queries sees as an earlier one.
fn stays_open(work: Work, key: u32) -> bool {
  let last = look_as_query(work.b, min(work.first + TILE, params.t_count) - 1);
  return !ends_block(work, key) && i32(key) < last.block;
}

/// Levels of the tile's queries, and of the block that its keys `key` … belong to.
fn make_levels(work: Work, key: u32, keys: Keys, s: Tile, e: Tile, lane: u32, at: Place) {
  put_summaries(keys, s, e, at);
  workgroupBarrier();
  if (lane < TILE) { weights_tile[lane / 16][lane % 16][0] = carry(work, key, lane); }
  workgroupBarrier();
}

/// Of query `lane` of the tile: (A, D, z, w), the block's levels, or while it is open (most, 0); sums
/// of earlier tiles become z · sum − w · less.
fn carry(work: Work, key: u32, lane: u32) -> vec4f {
  let t = work.first + lane;
  let before = open_block;
  let tile = summary_of(lane, 0);
  let most = max(before.x, tile.x);
  let keep = exp(before.x - most);
  let block = vec4f(most, keep * before.yz + exp(tile.x - most) * tile.yz, tile.w);
  open_block = block.xyz;
  var result = vec4f(most, 0, keep, 0);
  if (ends_block(work, key)) {
    let at = work.row + t;
    let level = level_of(block, kept_levels[at + params.N * params.t_count].x);
    let factor = exp(before.x - level.x);
    result = vec4f(level, factor, factor * level.y);
    open_block = vec3f(NOTHING, 0, 0);
    if (work.part == 0 && t < params.t_count) {
      kept_levels[at + gated_slot(work.b, key + TILE - 1) * params.t_count] = level;
    }
  }
  let query = look_as_query(work.b, t);
  let end = i32(key + TILE - 1);
  if (end < query.document || end >= query.block) { return vec4f(result.xy, 1, 0); }
  return result;
}

/// Of query t of the tile, for the keys of any lane.
fn levels_of(keys: Keys, work: Work, t: u32, x: u32) -> Levels {
  let own = kept_levels[work.row + params.N * params.t_count + work.first + t];
  let level = weights_tile[t / 16][t % 16][0].xy;
  return Levels(own, vec4f(level.x), vec4f(level.y));
}

/// What of four weights belongs to an open block.
fn open_weights(keys: Keys, work: Work, t: u32, x: u32, s: vec4f) -> vec4f {
  let query = look_as_query(work.b, work.first + t);
  let p = weights(keys, query, levels_of(keys, work, t, x), s);
  return select(p, vec4f(), keys.at >= vec4i(query.block));
}

fn open_rows(keys: Keys, work: Work, at: Place, s: Tile) -> Tile {
  let t = 4 * at.y;
  let low = mat4x4f(
    open_weights(keys, work, t, at.x, s.low[0]),
    open_weights(keys, work, t + 1, at.x, s.low[1]),
    open_weights(keys, work, t + 2, at.x, s.low[2]),
    open_weights(keys, work, t + 3, at.x, s.low[3]),
  );
  let high = mat4x4f(
    open_weights(keys, work, t + 32, at.x, s.high[0]),
    open_weights(keys, work, t + 33, at.x, s.high[1]),
    open_weights(keys, work, t + 34, at.x, s.high[2]),
    open_weights(keys, work, t + 35, at.x, s.high[3]),
  );
  return Tile(low, high);
}

struct Pair {
  sum: Tile,
  less: Tile,
}

struct Sums {
  dq: Pair,
  /// Of the columns behind, if WIDE is not 0.
  more: Pair,
}

/// What becomes of the sums of query t of the tile.
fn factors_of(t: u32) -> vec2f {
  return weights_tile[t / 16][t % 16][0].zw;
}

fn carry_rows(sum: mat4x4f, less: mat4x4f, t: u32) -> mat4x4f {
  let a = factors_of(t);
  let b = factors_of(t + 1);
  let c = factors_of(t + 2);
  let d = factors_of(t + 3);
  return mat4x4f(
    a.x * sum[0] - a.y * less[0],
    b.x * sum[1] - b.y * less[1],
    c.x * sum[2] - c.y * less[2],
    d.x * sum[3] - d.y * less[3],
  );
}

fn carry_pair(pair: Pair, at: Place) -> Pair {
  let t = 4 * at.y;
  let none = mat4x4f();
  return Pair(
    Tile(
      carry_rows(pair.sum.low, pair.less.low, t),
      carry_rows(pair.sum.high, pair.less.high, t + 32),
    ),
    Tile(carry_rows(pair.less.low, none, t), carry_rows(pair.less.high, none, t + 32)),
  );
}

/// Adds the outer products of 32 keys, from `key` on, whose weights are two steps for sum and two for
/// less.
fn add_half(pair: Pair, work: Work, key: u32, quad: u32, lane: u32, at: Place) -> Pair {
  let x = quad + lane % 16;
  let y = lane / 16;
  var total = pair;
  var next0 = key_quad(0, key_row(work.b, key + y, work.g), x);
  var next1 = key_quad(0, key_row(work.b, key + y + 8, work.g), x);
  for (var step = 0u; step < TILE / STEP / 2; step++) {
    let turn = step % BUFFERS * STEP;
    if (BUFFERS == 1 || step == 0) { workgroupBarrier(); }
    step_rows[turn + y][lane % 16] = next0;
    step_rows[turn + y + 8][lane % 16] = next1;
    workgroupBarrier();
    if (step + 1 < TILE / STEP / 2) {
      next0 = key_quad(0, key_row(work.b, key + (step + 1) * STEP + y, work.g), x);
      next1 = key_quad(0, key_row(work.b, key + (step + 1) * STEP + y + 8, work.g), x);
    }
    total.sum = add_step(total.sum, step, at);
    total.less = add_step(total.less, step + 2, at);
  }
  return total;
}

fn add_tile(
  sums: Sums,
  work: Work,
  key: u32,
  keys: Keys,
  s: Tile,
  e: Tile,
  lane: u32,
  at: Place,
) -> Sums {
  var next = sums;
  next.dq = carry_pair(sums.dq, at);
  if (WIDE > 0) { next.more = carry_pair(sums.more, at); }
  let ds = back_rows(keys, work, at, s, e);
  if (stays_open(work, key)) {
    let open = open_rows(keys, work, at, s);
    for (var half = 0u; half < 2; half++) {
      workgroupBarrier();
      if (at.x / 8 == half) {
        put_slopes(ds, at.x / 4 % 2, at);
        put_slopes(open, at.x / 4 % 2 + 2, at);
      }
      let from_key = key + half * TILE / 2;
      next.dq = add_half(next.dq, work, from_key, work.quad, lane, at);
      if (WIDE > 0) {
        next.more = add_half(next.more, work, from_key, work.quad + 16, lane, at);
      }
    }
  } else {
    // Levels were read from where the gradients go.
    workgroupBarrier();
    put_slopes(ds, at.x / 4, at);
    next.dq.sum = add_keys(next.dq.sum, work, key, work.quad, lane, at);
    if (WIDE > 0) {
      next.more.sum = add_keys(next.more.sum, work, key, work.quad + 16, lane, at);
    }
  }
  if (ends_block(work, key)) {
    put_sums(next, work, at);
    next = Sums();
  }
  return next;
}

fn put_sums(sums: Sums, work: Work, at: Place) {
  put_rows(work, work.quad, at, sums.dq.sum);
  if (WIDE > 0) { put_rows(work, work.quad + 16, at, sums.more.sum); }
}
