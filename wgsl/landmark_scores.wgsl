// scores [T, H, n] = scale · queries [T, Z, H, D] at the block's slot · its landmark
//
// Five segments of landmarks f32 [P, G, D] are bound, their rows counted through from start_0 on;
// order [n] gives the row of each block. Blocks whose row lies elsewhere are left to other runs.
//
// A workgroup takes BLOCKS blocks of one key/value head, and ROWS rows of queries: the H/G heads of
// the first token, of the next one, …, as seen from slot 0. A thread computes the scores of
// TR rows, THREADS_Y apart, and of TN blocks, THREADS_X apart. The last K = Z - 1 blocks stand in
// slots of their own, and their queries are read where they lie.
//
// Dispatch: ceil(n / BLOCKS) by G · ceil(T · H/G / ROWS), spread over y and z.

struct Params {
  queries_at: u32,
  order_at: u32,
  segment_0_at: u32,
  segment_1_at: u32,
  segment_2_at: u32,
  segment_3_at: u32,
  segment_4_at: u32,
  scores_at: u32,
  start_0: u32, // rows before segment 0, and so on
  start_1: u32,
  start_2: u32,
  start_3: u32,
  start_4: u32,
  end: u32,
  tokens: u32, // T
  slots: u32, // Z
  heads: u32, // H
  kv_heads: u32, // G
  blocks: u32, // n
  scale: f32,
}

const BLOCKS = 64u;
const THREADS = 256u;
const THREADS_X = BLOCKS / TN;
const THREADS_Y = ROWS / TR;
const QUADS = 8u; // of a tile's 32 numbers along D
const STRIDE = QUADS + 1; // odd, so that rows begin in different banks
const ELSEWHERE = 0xffffffffu;

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> queries: array<f32>;
@group(0) @binding(2) var<storage, read> order: array<i32>;
@group(0) @binding(3) var<storage, read> segment_0: array<f32>;
@group(0) @binding(4) var<storage, read> segment_1: array<f32>;
@group(0) @binding(5) var<storage, read> segment_2: array<f32>;
@group(0) @binding(6) var<storage, read> segment_3: array<f32>;
@group(0) @binding(7) var<storage, read> segment_4: array<f32>;
@group(0) @binding(8) var<storage, read_write> scores: array<f32>;

var<workgroup> place: array<u32, BLOCKS>; // where a block's landmark lies, or ELSEWHERE
var<workgroup> which: array<u32, BLOCKS>; // in which segment
var<workgroup> found: atomic<u32>;
var<workgroup> is_found: u32;
var<workgroup> key_tile: array<vec4f, BLOCKS * STRIDE>;
var<workgroup> query_tile: array<vec4f, ROWS * STRIDE>;

fn find(block: u32, g: u32, i: u32) {
  var at = ELSEWHERE;
  var segment = 0u;
  if (block < params.blocks) {
    let row = u32(order[params.order_at + block]);
    if (row >= params.start_0 && row < params.end) {
      var start = params.start_0;
      at = params.segment_0_at;
      if (row >= params.start_1) { segment = 1; start = params.start_1; at = params.segment_1_at; }
      if (row >= params.start_2) { segment = 2; start = params.start_2; at = params.segment_2_at; }
      if (row >= params.start_3) { segment = 3; start = params.start_3; at = params.segment_3_at; }
      if (row >= params.start_4) { segment = 4; start = params.start_4; at = params.segment_4_at; }
      at += ((row - start) * params.kv_heads + g) * D;
      atomicOr(&found, 1);
    }
  }
  place[i] = at;
  which[i] = segment;
}

fn landmark(segment: u32, i: u32) -> f32 {
  switch segment {
    case 0: { return segment_0[i]; }
    case 1: { return segment_1[i]; }
    case 2: { return segment_2[i]; }
    case 3: { return segment_3[i]; }
    default: { return segment_4[i]; }
  }
}

// The first number of a row's query as seen from a slot.
fn query_of(row: u32, g: u32, slot: u32) -> u32 {
  let sharing = params.heads / params.kv_heads;
  let h = g * sharing + row % sharing;
  return params.queries_at + ((row / sharing * params.slots + slot) * params.heads + h) * D;
}

@compute @workgroup_size(THREADS)
fn landmark_scores(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let first_block = group.x * BLOCKS;
  let tile = group.y + group.z * groups.y;
  let g = tile % params.kv_heads;
  let first_row = tile / params.kv_heads * ROWS;
  let sharing = params.heads / params.kv_heads;
  let rows = params.tokens * sharing;
  let x = lane % THREADS_X;
  let y = lane / THREADS_X;

  if (lane < BLOCKS) {
    find(first_block + lane, g, lane);
  }
  workgroupBarrier();
  if (lane == 0) {
    is_found = atomicLoad(&found);
  }
  if (workgroupUniformLoad(&is_found) == 0) {
    return;
  }

  var sums: array<array<f32, TN>, TR>;
  for (var d0 = 0u; d0 < D; d0 += 4 * QUADS) {
    for (var e = lane; e < BLOCKS * QUADS * 4; e += THREADS) {
      let d = d0 + e % (QUADS * 4);
      let i = e / (QUADS * 4);
      var number = 0.0;
      if (d < D && place[i] != ELSEWHERE) {
        number = landmark(which[i], place[i] + d);
      }
      key_tile[i * STRIDE + e / 4 % QUADS][e % 4] = number;
    }
    for (var e = lane; e < ROWS * QUADS * 4; e += THREADS) {
      let d = d0 + e % (QUADS * 4);
      let i = e / (QUADS * 4);
      var number = 0.0;
      if (d < D && first_row + i < rows) {
        number = queries[query_of(first_row + i, g, 0) + d];
      }
      query_tile[i * STRIDE + e / 4 % QUADS][e % 4] = number;
    }
    workgroupBarrier();
    for (var quad = 0u; quad < QUADS; quad++) {
      var keys: array<vec4f, TN>;
      for (var i = 0u; i < TN; i++) {
        keys[i] = key_tile[(x + i * THREADS_X) * STRIDE + quad];
      }
      for (var r = 0u; r < TR; r++) {
        let query = query_tile[(y + r * THREADS_Y) * STRIDE + quad];
        for (var i = 0u; i < TN; i++) {
          sums[r][i] += dot(query, keys[i]);
        }
      }
    }
    workgroupBarrier();
  }

  for (var i = 0u; i < TN; i++) {
    let block = first_block + x + i * THREADS_X;
    let key = place[x + i * THREADS_X];
    if (key == ELSEWHERE) {
      continue;
    }
    for (var r = 0u; r < TR; r++) {
      let row = first_row + y + r * THREADS_Y;
      if (row >= rows) {
        continue;
      }
      var sum = sums[r][i];
      if (block + params.slots > params.blocks) {
        // Among the last K = Z - 1 blocks: slot j - (n - K) + 1.
        let query = query_of(row, g, block + params.slots - params.blocks);
        sum = 0;
        for (var d = 0u; d < D; d++) {
          sum += queries[query + d] * landmark(which[x + i * THREADS_X], key + d);
        }
      }
      let h = g * sharing + row % sharing;
      let token = row / sharing;
      scores[params.scores_at + (token * params.heads + h) * params.blocks + block] =
        sum * params.scale;
    }
  }
}
