// d_k, d_v f32 [B, S, G, D] += the gradients of landmark attention of halves
//
// A subgroup has 16 keys, of one block, and walks over the queries that see them, 32 at a time, each
// a thread's: with scores x = k · qᵀ, y = v · d_outᵀ and the levels that the pass over queries kept,
// weights are 2^(x + offset), slopes weights · (y − inner); d_v = weights · d_out, d_k = slopes · q.
// levels [B, H, N, T] as landmark_attention_half_queries.wgsl has them.
//
// Every sum is a variable of its own, and steps are written out: else they leave the registers.
//
// Constants beside those of the parts: PARTS, the workgroups that share the columns of D.

const LOG2_E = 1.4426950408889634;

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  d_out_at: u32,
  levels_at: u32,
  d_k_at: u32,
  d_v_at: u32,
  most_at: u32,
  B: u32,
  T: u32,
  S: u32,
  H: u32,
  G: u32,
  N: u32,
  scale: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<Piece>;
@group(0) @binding(2) var<storage, read> k: array<f16>;
@group(0) @binding(3) var<storage, read> v: array<f16>;
@group(0) @binding(4) var<storage, read> d_out: array<Piece>;
@group(0) @binding(5) var<storage, read> levels: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> d_k: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_v: array<f32>;
@group(0) @binding(8) var<storage, read> most: array<u32>; // of d_out, before it became halves

fn piece(which: u32, at: u32) -> Piece {
  if (which == 0) { return q[min(at, arrayLength(&q) - 1)]; }
  return d_out[min(at, arrayLength(&d_out) - 1)];
}

fn key_16(first: u32, c: u32) -> Left {
  let at = params.k_at + first + 16 * (c % CHUNKS);
  return subgroupMatrixLoad<Left, row_major>(&k, at, params.G * D);
}

fn value_16(first: u32, c: u32) -> Left {
  let at = params.v_at + first + 16 * (c % CHUNKS);
  return subgroupMatrixLoad<Left, row_major>(&v, at, params.G * D);
}

// What a query has of a block: landmark_attention_half_levels.wgsl has more of it.
struct Level {
  key: u32, // where the query stands
  earlier: bool, // whether the block is
  offset: f32,
  inner: f32,
  top: f32, // less than zero
  delta: f32,
}

fn level_of(head: u32, t: u32, block: u32) -> Level {
  let at = params.levels_at / 2 + head;
  let top = levels[at + params.N * params.T + t];
  let of_block = levels[at + block * params.T + t];
  let key = params.S - params.T + t;
  let earlier = block < key / M;
  let level = select(top, of_block, earlier);
  return Level(key, earlier, level.x, level.y, top.x, top.y);
}

@compute @workgroup_size(THREADS)
fn landmark_attention_half_keys(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) id: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own: u32,
) {
  let g = group.y % params.G;
  let b = group.y / params.G;
  let from_c = group.z * COLUMNS;
  let key = 16 * (group.x * SUBGROUPS + subgroup);
  let block = key / M;
  let marked = (key + 16) % M == 0;
  let first = ((b * params.S + key) * params.G + g) * D;
  let k0 = key_16(first, 0);
  let k1 = key_16(first, 1);
  let k2 = key_16(first, 2);
  let k3 = key_16(first, 3);
  let k4 = key_16(first, 4);
  let k5 = key_16(first, 5);
  let k6 = key_16(first, 6);
  let k7 = key_16(first, 7);
  let v0 = value_16(first, 0);
  let v1 = value_16(first, 1);
  let v2 = value_16(first, 2);
  let v3 = value_16(first, 3);
  let v4 = value_16(first, 4);
  let v5 = value_16(first, 5);
  let v6 = value_16(first, 6);
  let v7 = value_16(first, 7);
  var dk_0 = Sum();
  var dk_1 = Sum();
  var dk_2 = Sum();
  var dk_3 = Sum();
  var dk_4 = Sum();
  var dk_5 = Sum();
  var dk_6 = Sum();
  var dk_7 = Sum();
  var dv_0 = Sum();
  var dv_1 = Sum();
  var dv_2 = Sum();
  var dv_3 = Sum();
  var dv_4 = Sum();
  var dv_5 = Sum();
  var dv_6 = Sum();
  var dv_7 = Sum();

  // All heads of these keys, and for each all queries that do not stand before the workgroup's.
  let ratio = params.H / params.G;
  let before = params.S - params.T;
  let first_key = 16 * SUBGROUPS * group.x;
  let first_t = select(0, (first_key - before) / TILE_ROWS * TILE_ROWS, first_key > before);
  let count = (params.T - first_t) / TILE_ROWS;
  let width = params.H * D;
  var queries = Pieces();
  var gradients = Pieces();
  for (var step = 0u; step < ratio * count; step++) {
    let h = g * ratio + step / count;
    let t = first_t + step % count * TILE_ROWS;
    let row = ((b * params.T + t) * params.H + h) * D;
    if (AHEAD == 1 && step > 0) {
      put_rows(QUERIES_AT, 0, queries, id);
      put_rows(GRADIENTS_AT, 0, gradients, id);
    } else {
      stage_rows(0, params.q_at + row, width, QUERIES_AT, id);
      stage_rows(1, params.d_out_at + row, width, GRADIENTS_AT, id);
    }
    workgroupBarrier();
    if (AHEAD == 1 && step + 1 < ratio * count) {
      let next_h = g * ratio + (step + 1) / count;
      let next_t = first_t + (step + 1) % count * TILE_ROWS;
      let next = ((b * params.T + next_t) * params.H + next_h) * D;
      queries = read_rows(0, params.q_at + next, width, id);
      gradients = read_rows(1, params.d_out_at + next, width, id);
    }
    let head = (b * params.H + h) * (params.N + 1) * params.T;
    let level = level_of(head, t + own, block);

    let at = subgroup * SCORES;
    score_16(QUERIES_AT, 0, at, k0, k1, k2, k3, k4, k5, k6, k7);
    score_16(QUERIES_AT, 1, at, k0, k1, k2, k3, k4, k5, k6, k7);
    score_16(GRADIENTS_AT, 0, at + 16 * SLOT, v0, v1, v2, v3, v4, v5, v6, v7);
    score_16(GRADIENTS_AT, 1, at + 16 * SLOT, v0, v1, v2, v3, v4, v5, v6, v7);
    workgroupBarrier();
    let x = read_16(at + own, LOG2_E * params.scale);
    let y = read_16(at + 16 * SLOT + own, 1.0);
    let own_end = min(level.key + 1, block * M + M - 1);
    let end = select(own_end, key + select(16u, 15u, marked), level.earlier);
    let w = powers(shown(x, key, 0, end), level.offset);
    let of_landmark = exp2(x[3].w + level.top) * (level.inner - level.delta);
    let s = with_last(slopes_of(w, y, level.inner), of_landmark, marked && level.earlier);
    let to = WEIGHTS_AT + 2 * subgroup * WEIGHTS + own;
    put_16(to, w);
    put_16(to + WEIGHTS, s);
    workgroupBarrier();
    {
      let p = weights_16(subgroup, 0, 0);
      let s = weights_16(subgroup, 1, 0);
      dv_0 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 0), dv_0);
      dk_0 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 0), dk_0);
      dv_1 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 1), dv_1);
      dk_1 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 1), dk_1);
      if (COLUMNS > 2) {
        dv_2 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 2), dv_2);
        dk_2 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 2), dk_2);
        dv_3 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 3), dv_3);
        dk_3 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 3), dk_3);
      }
      if (COLUMNS > 4) {
        dv_4 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 4), dv_4);
        dk_4 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 4), dk_4);
        dv_5 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 5), dv_5);
        dk_5 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 5), dk_5);
        dv_6 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 6), dv_6);
        dk_6 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 6), dk_6);
        dv_7 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 0, from_c + 7), dv_7);
        dk_7 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 0, from_c + 7), dk_7);
      }
    }
    {
      let p = weights_16(subgroup, 0, 1);
      let s = weights_16(subgroup, 1, 1);
      dv_0 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 0), dv_0);
      dk_0 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 0), dk_0);
      dv_1 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 1), dv_1);
      dk_1 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 1), dk_1);
      if (COLUMNS > 2) {
        dv_2 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 2), dv_2);
        dk_2 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 2), dk_2);
        dv_3 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 3), dv_3);
        dk_3 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 3), dk_3);
      }
      if (COLUMNS > 4) {
        dv_4 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 4), dv_4);
        dk_4 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 4), dk_4);
        dv_5 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 5), dv_5);
        dk_5 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 5), dk_5);
        dv_6 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 6), dv_6);
        dk_6 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 6), dk_6);
        dv_7 = subgroupMatrixMultiplyAccumulate(p, columns_16(GRADIENTS_AT, 1, from_c + 7), dv_7);
        dk_7 = subgroupMatrixMultiplyAccumulate(s, columns_16(QUERIES_AT, 1, from_c + 7), dk_7);
      }
    }
    workgroupBarrier();
  }

  let to = first + 16 * from_c;
  write(dk_0, dv_0, to, 0, subgroup, own);
  write(dk_1, dv_1, to, 1, subgroup, own);
  if (COLUMNS > 2) {
    write(dk_2, dv_2, to, 2, subgroup, own);
    write(dk_3, dv_3, to, 3, subgroup, own);
  }
  if (COLUMNS > 4) {
    write(dk_4, dv_4, to, 4, subgroup, own);
    write(dk_5, dv_5, to, 5, subgroup, own);
    write(dk_6, dv_6, to, 6, subgroup, own);
    write(dk_7, dv_7, to, 7, subgroup, own);
  }
}

// Adds 16 columns; all subgroups do at once.
fn write(dk: Sum, dv: Sum, at: u32, c: u32, subgroup: u32, own: u32) {
  let mine = subgroup * SCORES;
  let factor = 1.0 / half_factor(most[params.most_at]);
  workgroupBarrier();
  subgroupMatrixStore<row_major>(&scores, mine, dk, 16);
  subgroupMatrixStore<row_major>(&scores, mine + 256, dv, 16);
  workgroupBarrier();
  for (var i = own; i < 256; i += 32) {
    let to = at + i / 16 * params.G * D + 16 * c + i % 16;
    d_k[params.d_k_at + to] += factor * params.scale * scores[mine + i];
    d_v[params.d_v_at + to] += factor * scores[mine + 256 + i];
  }
}
