// out [B, T, H, D], top [B, T, H] = landmark attention of q [B, T, H, D] over k and v [B, S, G, D]
//
// For regular plans, D a multiple of 4. A workgroup has 64 queries of a head, and goes over the keys
// 64 at a time, online as flash attention (Dao et al., arXiv 2205.14135): scores, weights, and the
// sum of weighted values, which all threads share in tiles of eight rows a thread. An earlier block
// is a softmax by itself, whose weights are scaled so that they sum to its landmark's. Where a block
// is longer than a tile, that softmax is online as well, with sums of its own; its last tile joins
// them to the top group's. Exponents are of 2.
// Spec: src/device/reference/grouped_softmax.ts.
//
// Constants: LANES threads share a row, each has GROUPS fours of keys and COLUMNS fours of columns;
// CHUNKS · 32 columns in all; PIECES loads of values a tile; BLOCK_SLOTS slots of a tile are a block;
// FULL: no slot is empty, and the last one is the landmark's; LONG: a block is longer than a tile;
// PLAIN: ordinary attention, without landmarks.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  foreign_k_at: u32,
  foreign_v_at: u32,
  index_at: u32,
  out_at: u32,
  top_at: u32,
  B: u32,
  T: u32,
  S: u32,
  H: u32,
  G: u32,
  M: u32,
  quads: u32, // D / 4
  first_tile: u32, // of queries
  tiles: u32, // of queries
  block_tiles: u32, // tiles to a block that is longer than one
  mark: u32, // the slot of a landmark in its tile or block
  foreign: u32, // n: how many foreign blocks a row may see
  scale: f32, // with the factor that makes exp2 of exp
  foreign_bias: f32, // the same; added to their scores
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<vec4f>;
@group(0) @binding(2) var<storage, read> k: array<vec4f>;
@group(0) @binding(3) var<storage, read> v: array<vec4f>;
@group(0) @binding(4) var<storage, read> foreign_k: array<vec4f>; // [N, G, D]
@group(0) @binding(5) var<storage, read> foreign_v: array<vec4f>; // [N, G, D]
@group(0) @binding(6) var<storage, read> index: array<i32>; // [B, n]
@group(0) @binding(7) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(8) var<storage, read_write> top: array<f32>;

const LN_2 = 0.6931471805599453;

/** A thread: its eight rows, and where it stands in them. */
struct Place {
  row: u32, // its rows are 8 · row …
  lane: u32, // half · 8 + column
  half: u32,
  column: u32,
}

@compute @workgroup_size(THREADS)
fn landmark_attention(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) id: u32,
) {
  let unit = group.x + group.y * groups.x;
  if (unit >= params.tiles * params.B * params.H) { return; }
  // The last queries have the most keys: they come first.
  let tile = params.first_tile + params.tiles - 1 - unit / (params.B * params.H);
  let h = unit % params.H;
  let b = unit / params.H % params.B;
  let work = Work(b, h, h / (params.H / params.G), slots_of(tile));
  let lane = id % LANES;
  let at = Place(id / LANES, lane, lane / 8, lane % 8);

  var sums: Tile;
  var state = nothing(); // of the top group, or of a long block on the way
  var top_sums: Tile; // of long blocks that are done with
  var top_group = nothing(); // the same
  var slots = Slots(0, 0);
  let steps = tile + 1 + (params.foreign + SIDE - 1) / SIDE;
  for (var step = 0u; step < steps; step++) {
    var seen = Seen(slots, step == tile, step > tile);
    if (seen.foreign) { seen.slots = Slots(0, (step - tile - 1) * SIDE); }
    slots = slots_behind(slots);
    var scores = score(work, seen, at, id);
    if (seen.last || seen.foreign || FULL == 0) { scores = hide(scores, work, seen, at); }

    let own = PLAIN == 1 || seen.foreign || seen.slots.block == work.queries.block;
    let ends = PLAIN == 0 && !seen.foreign && (LONG == 0 || slots.start == 0);
    let marked = ends && has_landmark(at);
    var gates: Rows;
    if (ends) {
      gates = gates_of(scores, marked);
      scores = without_landmark(scores, marked);
    }
    var weighed: Weighed;
    if (LONG == 1 || (BLOCK_LANES == LANES && own)) {
      weighed = weigh_alike(scores, state, at);
    } else {
      weighed = weigh_blocks(scores, gates, marked, state, seen, at);
    }
    state = weighed.state;
    sums = scaled(sums, weighed.scale);

    workgroupBarrier();
    share_weights(weighed.weights, at);
    for (var piece = 0u; piece < PIECES; piece++) {
      if (piece > 0) {
        workgroupBarrier();
        load_piece(work, seen, piece, id);
      }
      workgroupBarrier();
      for (var held = 0u; held < HALVES; held++) {
        sums = weighted(sums, piece * HALVES + held, held, at);
      }
    }

    if (LONG == 1 && ends && !own) {
      let joined = join(top_group, State(most_of_all(gates, at), rows(1.0)));
      let factor = divided(joined.weight, sum_of_block(state.sum, LANES, at));
      top_sums = total(scaled(top_sums, joined.scale), scaled(sums, factor));
      top_group = joined.top;
      sums = Tile();
      state = nothing();
    }
  }

  state.sum = sum_of_block(state.sum, LANES, at);
  if (LONG == 1) {
    let joined = join(top_group, state);
    sums = total(scaled(top_sums, joined.scale), scaled(sums, joined.weight));
    state = joined.top;
  }
  write_out(scaled(sums, divided(rows(1.0), state.sum)), work, at);
  if (at.lane == 0) { write_top(state, work, at); }
}

/** Scores of the thread's rows and keys. On the way, the first values are loaded. */
fn score(work: Work, seen: Seen, at: Place, id: u32) -> Tile {
  var s = filled(select(0.0, params.foreign_bias, seen.foreign));
  for (var chunk = 0u; chunk < CHUNKS; chunk++) {
    workgroupBarrier();
    load_queries(work, chunk, id);
    if (seen.foreign) {
      load_foreign_keys(work, seen.slots, chunk, id);
    } else {
      load_keys(work, seen.slots, chunk, id);
    }
    if (chunk == 0) { load_piece(work, seen, 0, id); }
    workgroupBarrier();
    for (var i = 0u; i < 8; i++) {
      let lo = four(0, 0, at.row, i);
      let hi = four(0, 1, at.row, i);
      let first = transpose(four(1, select(at.half, 0, GROUPS == 2), at.column, i));
      s.lo0 = product(s.lo0, first, lo);
      s.hi0 = product(s.hi0, first, hi);
      if (GROUPS == 2) {
        let second = transpose(four(1, 1, at.column, i));
        s.lo1 = product(s.lo1, second, lo);
        s.hi1 = product(s.hi1, second, hi);
      }
    }
  }
  return s;
}

/** The values of all keys, or of half of them. */
fn load_piece(work: Work, seen: Seen, piece: u32, id: u32) {
  for (var held = 0u; held < HALVES; held++) {
    if (seen.foreign) {
      load_foreign_values(work, seen.slots, piece * HALVES + held, id);
    } else {
      load_values(work, seen.slots, piece * HALVES + held, id);
    }
  }
}

/** Four fours of a thread's part of a tile. */
fn four(which: u32, half: u32, row: u32, column: u32) -> mat4x4f {
  let at = column ^ row;
  return mat4x4f(
    tiles[which][half][0][row][at],
    tiles[which][half][1][row][at],
    tiles[which][half][2][row][at],
    tiles[which][half][3][row][at],
  );
}

/** Puts the weights where queries and keys were. */
fn share_weights(w: Tile, at: Place) {
  let first = select(at.half, 0, GROUPS == 2);
  let column = at.column ^ at.row;
  share_rows(w.lo0, first, 0, at.row, column);
  share_rows(w.hi0, first, 1, at.row, column);
  if (GROUPS == 2) {
    share_rows(w.lo1, 1, 0, at.row, column);
    share_rows(w.hi1, 1, 1, at.row, column);
  }
}

fn share_rows(w: mat4x4f, which: u32, half: u32, row: u32, column: u32) {
  tiles[which][half][0][row][column] = w[0];
  tiles[which][half][1][row][column] = w[1];
  tiles[which][half][2][row][column] = w[2];
  tiles[which][half][3][row][column] = w[3];
}

/** Sums with half the weights times their values, which are in `held`. */
fn weighted(sums: Tile, half: u32, held: u32, at: Place) -> Tile {
  var s = sums;
  for (var i = 0u; i < 8; i++) {
    let lo = four(half, 0, at.row, i);
    let hi = four(half, 1, at.row, i);
    let first = values_at(held, i, at.lane);
    s.lo0 = product(s.lo0, first, lo);
    s.hi0 = product(s.hi0, first, hi);
    if (COLUMNS == 2) {
      let second = values_at(held, i, LANES + at.lane);
      s.lo1 = product(s.lo1, second, lo);
      s.hi1 = product(s.hi1, second, hi);
    }
  }
  return s;
}

fn values_at(held: u32, i: u32, d: u32) -> mat4x4f {
  return mat4x4f(
    values[held][0][i][d],
    values[held][1][i][d],
    values[held][2][i][d],
    values[held][3][i][d],
  );
}

/** Sums [D] of the rows that are queries, into `out`. */
fn write_out(sums: Tile, work: Work, at: Place) {
  let slot = 8 * at.row;
  write_rows(sums.lo0, work, slot, at.lane);
  write_rows(sums.hi0, work, slot + 4, at.lane);
  if (COLUMNS == 2) {
    write_rows(sums.lo1, work, slot, LANES + at.lane);
    write_rows(sums.hi1, work, slot + 4, LANES + at.lane);
  }
}

fn write_rows(sums: mat4x4f, work: Work, slot: u32, d: u32) {
  write_row(sums[0], query_row(work, slot), d);
  write_row(sums[1], query_row(work, slot + 1), d);
  write_row(sums[2], query_row(work, slot + 2), d);
  write_row(sums[3], query_row(work, slot + 3), d);
}

fn write_row(sum: vec4f, row: u32, d: u32) {
  if (row != NONE && d < params.quads) { out[params.out_at / 4 + row * params.quads + d] = sum; }
}

/** The log-sum-exp of each row. */
fn write_top(state: State, work: Work, at: Place) {
  let lo = LN_2 * (state.most.lo + log2(state.sum.lo));
  let hi = LN_2 * (state.most.hi + log2(state.sum.hi));
  write_top_row(lo.x, work, 8 * at.row);
  write_top_row(lo.y, work, 8 * at.row + 1);
  write_top_row(lo.z, work, 8 * at.row + 2);
  write_top_row(lo.w, work, 8 * at.row + 3);
  write_top_row(hi.x, work, 8 * at.row + 4);
  write_top_row(hi.y, work, 8 * at.row + 5);
  write_top_row(hi.z, work, 8 * at.row + 6);
  write_top_row(hi.w, work, 8 * at.row + 7);
}

fn write_top_row(value: f32, work: Work, slot: u32) {
  let row = query_row(work, slot);
  if (row != NONE) { top[params.top_at + row] = value; }
}
