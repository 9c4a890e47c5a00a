// Where landmark_attention.wgsl reads queries, keys and values, and how they lie in a workgroup.
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
const STRIDE = THREADS / 8; // slots that all threads load at a time
const VALUE_STRIDE = THREADS / QUADS;

/** Of queries [0] and keys [1], 32 columns at a time; then the weights. */
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

/** The slots of the next tile. In a loop: a division there took a fifth of the time on an H200. */
fn slots_behind(slots: Slots) -> Slots {
  if (LONG == 0) { return Slots(slots.block + SIDE / BLOCK_SLOTS, 0); }
  let start = slots.start + SIDE;
  let ends = start >= params.M;
  return Slots(select(slots.block, slots.block + 1, ends), select(start, 0, ends));
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

/** The row of k and v that a slot shows, if it shows one. */
fn key_row(work: Work, slots: Slots, slot: u32) -> u32 {
  let key = key_in(slots, slot);
  return select((work.b * params.S + key) * params.G + work.g, NONE, key == NONE);
}

/** The row of foreign_k and foreign_v that a slot shows, if it shows one. */
fn foreign_row(work: Work, slots: Slots, slot: u32) -> u32 {
  let n = slots.start + slot;
  let entry = index[params.index_at + work.b * params.foreign + min(n, params.foreign - 1)];
  return select(NONE, u32(entry) * params.G + work.g, n < params.foreign && entry >= 0);
}

// Four fours are read before the first is put down, without a branch: their waits are one.

/** Columns 32 · chunk … of the queries, scaled. */
fn load_queries(work: Work, chunk: u32, id: u32) {
  let d = chunk * 8 + id % 8;
  for (var i = 0u; i < SIDE / STRIDE; i += 4) {
    let slot = i * STRIDE + id / 8;
    let x0 = query_at(query_row(work, slot), d);
    let x1 = query_at(query_row(work, slot + STRIDE), d);
    let x2 = query_at(query_row(work, slot + 2 * STRIDE), d);
    let x3 = query_at(query_row(work, slot + 3 * STRIDE), d);
    put_query(slot, id % 8, x0);
    put_query(slot + STRIDE, id % 8, x1);
    put_query(slot + 2 * STRIDE, id % 8, x2);
    put_query(slot + 3 * STRIDE, id % 8, x3);
  }
}

fn query_at(row: u32, d: u32) -> vec4f {
  let shown = row != NONE && d < params.quads;
  let x = q[params.q_at / 4 + select(0, row * params.quads + d, shown)];
  return select(vec4f(), params.scale * x, shown);
}

fn put_query(slot: u32, column: u32, x: vec4f) {
  tiles[0][slot / 4 % 2][slot % 4][slot / 8][column ^ (slot / 8)] = x;
}

/** Columns 32 · chunk … of the keys. */
fn load_keys(work: Work, slots: Slots, chunk: u32, id: u32) {
  let d = chunk * 8 + id % 8;
  for (var i = 0u; i < SIDE / STRIDE; i += 4) {
    let slot = i * STRIDE + id / 8;
    let x0 = key_at(key_row(work, slots, slot), d);
    let x1 = key_at(key_row(work, slots, slot + STRIDE), d);
    let x2 = key_at(key_row(work, slots, slot + 2 * STRIDE), d);
    let x3 = key_at(key_row(work, slots, slot + 3 * STRIDE), d);
    put_key(slot, id % 8, x0);
    put_key(slot + STRIDE, id % 8, x1);
    put_key(slot + 2 * STRIDE, id % 8, x2);
    put_key(slot + 3 * STRIDE, id % 8, x3);
  }
}

fn key_at(row: u32, d: u32) -> vec4f {
  let shown = row != NONE && d < params.quads;
  return select(vec4f(), k[params.k_at / 4 + select(0, row * params.quads + d, shown)], shown);
}

fn put_key(slot: u32, column: u32, x: vec4f) {
  let lane = slot / KEYS;
  let half = select(lane / 8, slot / 4 % 2, GROUPS == 2);
  tiles[1][half][slot % 4][lane % 8][column ^ (lane % 8)] = x;
}

/** The values of half the keys. */
fn load_values(work: Work, slots: Slots, half: u32, id: u32) {
  let d = id % QUADS;
  for (var i = 0u; i < SIDE / 2 / VALUE_STRIDE; i += 4) {
    let n = i * VALUE_STRIDE + id / QUADS;
    let x0 = value_at(key_row(work, slots, value_slot(half, n)), d);
    let x1 = value_at(key_row(work, slots, value_slot(half, n + VALUE_STRIDE)), d);
    let x2 = value_at(key_row(work, slots, value_slot(half, n + 2 * VALUE_STRIDE)), d);
    let x3 = value_at(key_row(work, slots, value_slot(half, n + 3 * VALUE_STRIDE)), d);
    put_value(half, n, d, x0);
    put_value(half, n + VALUE_STRIDE, d, x1);
    put_value(half, n + 2 * VALUE_STRIDE, d, x2);
    put_value(half, n + 3 * VALUE_STRIDE, d, x3);
  }
}

/** The slot of the n-th of the 32 keys of a half. */
fn value_slot(half: u32, n: u32) -> u32 {
  return select(32 * half + n, 8 * (n / 4) + 4 * half + n % 4, GROUPS == 2);
}

fn value_at(row: u32, d: u32) -> vec4f {
  let shown = row != NONE && d < params.quads;
  return select(vec4f(), v[params.v_at / 4 + select(0, row * params.quads + d, shown)], shown);
}

fn put_value(half: u32, n: u32, d: u32, x: vec4f) {
  values[half % HALVES][n % 4][n / 4][d] = x;
}

/** `load_keys` of foreign blocks. */
fn load_foreign_keys(work: Work, slots: Slots, chunk: u32, id: u32) {
  let d = chunk * 8 + id % 8;
  for (var slot = id / 8; slot < SIDE; slot += STRIDE) {
    let row = foreign_row(work, slots, slot);
    let shown = row != NONE && d < params.quads;
    let at = params.foreign_k_at / 4 + select(0, row * params.quads + d, shown);
    put_key(slot, id % 8, select(vec4f(), foreign_k[at], shown));
  }
}

/** `load_values` of foreign blocks. */
fn load_foreign_values(work: Work, slots: Slots, half: u32, id: u32) {
  let d = id % QUADS;
  for (var n = id / QUADS; n < SIDE / 2; n += VALUE_STRIDE) {
    let row = foreign_row(work, slots, value_slot(half, n));
    let shown = row != NONE && d < params.quads;
    let at = params.foreign_v_at / 4 + select(0, row * params.quads + d, shown);
    put_value(half, n, d, select(vec4f(), foreign_v[at], shown));
  }
}
