// The softmax of landmark_attention.wgsl: from a tile's scores to weights, in step with what was
// summed before.

const BLOCK_LANES = BLOCK_SLOTS / KEYS; // threads of a row that share a block

/** A softmax under way: the largest exponent so far, and this thread's part of the sum. */
struct State {
  most: Rows,
  sum: Rows,
}

/** The weights of a tile, and what sums of earlier ones are scaled by. */
struct Weighed {
  weights: Tile,
  scale: Rows,
  state: State,
}

/** What sums of the top group, and of a part that joins it, are scaled by, and its state with both. */
struct Joined {
  scale: Rows,
  weight: Rows,
  top: State,
}

/** The largest numbers among threads that share rows. */
struct Most {
  inner: Rows, // in a block
  gate: Rows, // in a block: its landmark
  top: Rows, // in all
}

/** LOWEST for keys to come, in empty slots, and for foreign blocks that are none. */
fn hide(scores: Tile, work: Work, seen: Seen, at: Place) -> Tile {
  let first = KEYS * at.lane;
  let columns0 = shown_slots(work, seen, first);
  let columns1 = shown_slots(work, seen, first + 4);
  var last_lo = vec4u(SIDE);
  var last_hi = vec4u(SIDE);
  if (seen.last) {
    last_lo = 8 * at.row + vec4u(0, 1, 2, 3);
    last_hi = last_lo + 4;
  }
  return up_to(scores, columns0, columns1, last_lo, last_hi);
}

/** The slots from `first` on, NONE for those that show nothing. */
fn shown_slots(work: Work, seen: Seen, first: u32) -> vec4u {
  return vec4u(
    shown_slot(work, seen, first),
    shown_slot(work, seen, first + 1),
    shown_slot(work, seen, first + 2),
    shown_slot(work, seen, first + 3),
  );
}

fn shown_slot(work: Work, seen: Seen, slot: u32) -> u32 {
  if (seen.foreign) {
    return select(slot, NONE, foreign_row(work, seen.slots, slot) == NONE);
  }
  if (FULL == 1) { return slot; }
  return select(slot, NONE, key_in(seen.slots, slot) == NONE);
}

/** Whether the thread has the landmark of a block, where one ends. */
fn has_landmark(at: Place) -> bool {
  if (FULL == 1) { return at.lane % BLOCK_LANES == BLOCK_LANES - 1; }
  return at.lane % BLOCK_LANES == params.mark / KEYS;
}

/** 1 for the landmark's place in a thread's keys 4 · group …, if it has it, else 0. */
fn mark_in(group: u32, marked: bool) -> vec4f {
  let places = 4 * group + vec4u(0, 1, 2, 3);
  var mark = KEYS - 1;
  if (FULL == 0) { mark = params.mark % KEYS; }
  return select(vec4f(), vec4f(1), (places == vec4u(mark)) & vec4<bool>(marked));
}

/** The landmark's score in each row, LOWEST if the thread has none. */
fn gates_of(scores: Tile, marked: bool) -> Rows {
  var gates: Rows;
  if (FULL == 0 || GROUPS == 1) {
    let mark = mark_in(0, true);
    gates = Rows(mark * scores.lo0, mark * scores.hi0);
  }
  if (GROUPS == 2) {
    let mark = mark_in(1, true);
    gates = added(gates, Rows(mark * scores.lo1, mark * scores.hi1));
  }
  return chosen(rows(LOWEST), gates, marked);
}

/** LOWEST in place of the landmark's scores. */
fn without_landmark(scores: Tile, marked: bool) -> Tile {
  var s = scores;
  if (FULL == 0 || GROUPS == 1) {
    let mark = mark_in(0, marked);
    s.lo0 = without_columns(s.lo0, mark);
    s.hi0 = without_columns(s.hi0, mark);
  }
  if (GROUPS == 2) {
    let mark = mark_in(1, marked);
    s.lo1 = without_columns(s.lo1, mark);
    s.hi1 = without_columns(s.hi1, mark);
  }
  return s;
}

fn without_columns(m: mat4x4f, mark: vec4f) -> mat4x4f {
  let lowest = vec4f(LOWEST);
  let hidden = mark > vec4f();
  return mat4x4f(
    select(m[0], lowest, hidden),
    select(m[1], lowest, hidden),
    select(m[2], lowest, hidden),
    select(m[3], lowest, hidden),
  );
}

/** Keys of one group, all of them: the top group, or an earlier block whose gate is yet to come. */
fn weigh_alike(scores: Tile, state: State, at: Place) -> Weighed {
  let most = larger(state.most, most_of_all(most_by_row(scores), at));
  let scale = power(state.most, most);
  let weights = powers(scores, most);
  let sum = added(times(state.sum, scale), sum_by_row(weights));
  return Weighed(weights, scale, State(most, sum));
}

/** Whole blocks: earlier ones, and where the tile is that of the queries, their own. */
fn weigh_blocks(
  scores: Tile,
  gates: Rows,
  marked: bool,
  state: State,
  seen: Seen,
  at: Place,
) -> Weighed {
  let earlier = !seen.foreign && (!seen.last || at.lane / BLOCK_LANES < 8 * at.row / BLOCK_SLOTS);
  let inner = most_by_row(scores);
  let among = most_of_both(inner, chosen(inner, gates, earlier), at);
  let most = larger(state.most, among.top);
  let scale = power(state.most, most);
  let weights = powers(scores, chosen(most, among.inner, earlier));
  let sum = sum_by_row(weights);
  let gate = power(among.gate, most);
  let inner_sum = sum_of_block(sum, BLOCK_LANES, at);
  let factor = chosen(rows(1.0), divided(gate, inner_sum), earlier);
  let own_gate = chosen(rows(0.0), gate, marked);
  let now = State(most, added(times(state.sum, scale), chosen(sum, own_gate, earlier)));
  return Weighed(scaled(weights, factor), scale, now);
}

/** The top group with one more part. */
fn join(top: State, part: State) -> Joined {
  let most = larger(top.most, part.most);
  let scale = power(top.most, most);
  let weight = power(part.most, most);
  let sum = added(times(top.sum, scale), times(part.sum, weight));
  return Joined(scale, weight, State(most, sum));
}

fn nothing() -> State {
  return State(rows(LOWEST), rows(0.0));
}
