// Where landmark_attention.wgsl reads queries, keys and values from, and how they lie in a workgroup.
//
// Keys are counted in slots: a block of M keys takes up a power of two of them, or a multiple of 64,
// the last ones empty, so that a tile of 64 slots holds whole blocks or a part of one. Queries stand
// in the slots of their keys. Of a tile's slots, a thread has as many queries or keys side by side as
// it has rows or columns. Four numbers of a row lie together, at a place that is crossed with the
// row's number, so that threads that read one column of several rows meet in no memory bank.

const SIDE = 64u; // slots in a tile
const NONE = 0xffffffffu;
const KEYS = 4 * GROUPS; // that a thread has
const THREADS = 8 * LANES;
const QUADS = 8 * CHUNKS; // fours in a row of D
const HALVES = 2 / PIECES; // halves of the values that are held at once

/** Of queries [0] and keys [1], 32 columns at a time; then the weights. By place in a thread: 4 · 2nd + 3rd. */
var<workgroup> tiles: array<array<array<array<array<vec4f, 8>, 8>, 4>, 2>, 2>;
var<workgroup> values: array<array<array<array<vec4f, QUADS>, 8>, 4>, HALVES>;

/** What a workgroup computes. */
struct Work {
  b: u32,
  h: u32,
  g: u32,
  queries: Slots,
}

/** The slots of a tile: its first block, and the slot of it that is the first. */
struct Slots {
  block: u32,
  start: u32,
}

/** What is attended to in a step: a tile of keys, or foreign blocks from `start` on. */
struct Seen {
  slots: Slots,
  last: bool, // the tile of the queries themselves
  foreign: bool,
}

fn slots_of(tile: u32) -> Slots {
  if (LONG == 1) { return Slots(tile / params.block_tiles, tile % params.block_tiles * SIDE); }
  return Slots(tile * (SIDE / BLOCK_SLOTS), 0);
}

/** The key in a slot, if there is one. */
fn key_in(slots: Slots, slot: u32) -> u32 {
  if (FULL == 1) {
    let key = slots.block * params.M + slots.start + slot;
    return select(NONE, key, key < params.S);
  }
  let within = slots.start + slot % BLOCK_SLOTS;
  let key = (slots.block + slot / BLOCK_SLOTS) * params.M + within;
  return select(NONE, key, within < params.M && key < params.S);
}

/** The row of q that a slot's query has, if it has one. */
fn query_row(work: Work, slot: u32) -> u32 {
  let key = key_in(work.queries, slot);
  let first = params.S - params.T;
  let row = (work.b * params.T + key - first) * params.H + work.h;
  return select(row, NONE, key == NONE || key < first);
}

/** The row of k and v, or of foreign_k and foreign_v, that a slot shows, if it shows one. */
fn key_row(work: Work, seen: Seen, slot: u32) -> u32 {
  if (seen.foreign) {
    let n = seen.slots.start + slot;
    if (n >= params.foreign) { return NONE; }
    let entry = index[params.index_at + work.b * params.foreign + n];
    return select(NONE, u32(entry) * params.G + work.g, entry >= 0);
  }
  let key = key_in(seen.slots, slot);
  return select((work.b * params.S + key) * params.G + work.g, NONE, key == NONE);
}

/** Columns 32 · chunk … of the queries, scaled. */
fn load_queries(work: Work, chunk: u32, id: u32) {
  let column = id % 8;
  let d = chunk * 8 + column;
  for (var i = 0u; i < SIDE * 8 / THREADS; i++) {
    let slot = i * (THREADS / 8) + id / 8;
    let row = query_row(work, slot);
    var x = vec4f();
    if (row != NONE && d < params.quads) {
      x = params.scale * q[params.q_at / 4 + row * params.quads + d];
    }
    tiles[0][slot / 4 % 2][slot % 4][slot / 8][column ^ (slot / 8)] = x;
  }
}

/** Columns 32 · chunk … of the keys. */
fn load_keys(work: Work, seen: Seen, chunk: u32, id: u32) {
  let column = id % 8;
  let d = chunk * 8 + column;
  for (var i = 0u; i < SIDE * 8 / THREADS; i++) {
    let slot = i * (THREADS / 8) + id / 8;
    let row = key_row(work, seen, slot);
    var x = vec4f();
    if (row != NONE && d < params.quads) {
      let at = row * params.quads + d;
      if (seen.foreign) {
        x = foreign_k[params.foreign_k_at / 4 + at];
      } else {
        x = k[params.k_at / 4 + at];
      }
    }
    let lane = slot / KEYS;
    let half = select(lane / 8, slot / 4 % 2, GROUPS == 2);
    tiles[1][half][slot % 4][lane % 8][column ^ (lane % 8)] = x;
  }
}

/** The values of half the keys. */
fn load_values(work: Work, seen: Seen, half: u32, id: u32) {
  let d = id % QUADS;
  for (var i = 0u; i < SIDE / 2 * QUADS / THREADS; i++) {
    let n = i * (THREADS / QUADS) + id / QUADS; // of the 32 keys in this half
    let slot = select(32 * half + n, 8 * (n / 4) + 4 * half + n % 4, GROUPS == 2);
    let row = key_row(work, seen, slot);
    var x = vec4f();
    if (row != NONE && d < params.quads) {
      let at = row * params.quads + d;
      if (seen.foreign) {
        x = foreign_v[params.foreign_v_at / 4 + at];
      } else {
        x = v[params.v_at / 4 + at];
      }
    }
    values[half % HALVES][n % 4][n / 4][d] = x;
  }
}
