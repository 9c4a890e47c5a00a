// d_q f32 [B, T, H, D] += the gradient of landmark attention of halves; levels [B, H, N, T] of blocks
//
// It walks over keys as landmark_attention_half.wgsl does: with scores x and y = v · d_outᵀ of a block, its
// mean of y, inner, by its own softmax, slopes are weights · (y − inner), and of its landmark
// 2^gate · (inner − delta). For the pass over keys a block's levels are kept: (offset, inner), which
// make weights of scores and slopes of weights. levels[N] has (−top, delta) from the preparation.
//
// Every sum is a variable of its own, and steps are written out: else they leave the registers.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  d_out_at: u32,
  levels_at: u32,
  d_q_at: u32,
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
@group(0) @binding(1) var<storage, read> q: array<f16>;
@group(0) @binding(2) var<storage, read> k: array<Piece>;
@group(0) @binding(3) var<storage, read> v: array<Piece>;
@group(0) @binding(4) var<storage, read> d_out: array<f16>;
@group(0) @binding(5) var<storage, read_write> levels: array<vec2f>;
@group(0) @binding(6) var<storage, read_write> d_q: array<f32>;
@group(0) @binding(7) var<storage, read> most: array<u32>; // of d_out, before it became halves

const LOG2_E = 1.4426950408889634;
// Slopes lie where values were.
const KEYS_AT = 0u;
const VALUES_AT = KEYS * LONG;
const WEIGHTS_AT = VALUES_AT;
const TILES = VALUES_AT + max(KEYS * LONG, SUBGROUPS * WEIGHTS);

fn piece(which: u32, at: u32) -> Piece {
  if (which == 0) { return k[min(at, arrayLength(&k) - 1)]; }
  return v[min(at, arrayLength(&v) - 1)];
}

@compute @workgroup_size(THREADS)
fn landmark_attention_half_queries(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) id: u32,
  @builtin(subgroup_id) subgroup: u32,
  @builtin(subgroup_invocation_id) own: u32,
) {
  let unit = group.x + group.y * groups.x;
  let count = params.T / QUERIES;
  if (unit >= count * params.B * params.H) { return; }
  // The last queries have the most keys: they come first.
  let t = (count - 1 - unit / (params.B * params.H)) * QUERIES;
  let h = unit % params.H;
  let b = unit / params.H % params.B;
  let width = params.G * D;
  let first_key = b * params.S * width + h / (params.H / params.G) * D;
  let stand = stand_of(params.S - params.T + t);
  let lane = lane_of(subgroup, own);
  let at = ((b * params.T + t + subgroup * ROWS) * params.H + h) * D;
  let head = (b * params.H + h) * (params.N + 1) * params.T;
  let own_t = t + subgroup * ROWS + lane.row;
  let own_key = params.S - params.T + own_t;
  let known = levels[params.levels_at / 2 + head + params.N * params.T + own_t];
  let row = Row(own_key, own_key / M * M, -known.x, known.y);

  let q0 = query_16(at, 0, 0);
  let q1 = query_16(at, 0, 1);
  let q2 = query_16(at, 0, 2);
  let q3 = query_16(at, 0, 3);
  let q4 = query_16(at, 16, 4);
  let q5 = query_16(at, 16, 5);
  let q6 = query_16(at, 16, 6);
  let q7 = query_16(at, 16, 7);
  let e0 = gradient_16(at, 0, 0);
  let e1 = gradient_16(at, 0, 1);
  let e2 = gradient_16(at, 0, 2);
  let e3 = gradient_16(at, 0, 3);
  let e4 = gradient_16(at, 16, 4);
  let e5 = gradient_16(at, 16, 5);
  let e6 = gradient_16(at, 16, 6);
  let e7 = gradient_16(at, 16, 7);
  var sum_0 = Sum();
  var sum_1 = Sum();
  var sum_2 = Sum();
  var sum_3 = Sum();
  var sum_4 = Sum();
  var sum_5 = Sum();
  var sum_6 = Sum();
  var sum_7 = Sum();

  var stats = Stats(LOWEST, 0.0, 0.0);
  var level = Level();
  var step = first_step(stand);
  var keys = Pieces();
  var values = Pieces();
  if (AHEAD == 1) {
    keys = read_rows(0, params.k_at + first_key + step.at * width, width, id);
    values = read_rows(1, params.v_at + first_key + step.at * width, width, id);
  }
  while (step.kind < ALL || step.at < stand.end) {
    if (AHEAD == 1) {
      put_rows(KEYS_AT, 0, keys, id);
      put_rows(VALUES_AT, 0, values, id);
    } else {
      stage_rows(0, params.k_at + first_key + step.at * width, width, KEYS_AT, id);
      stage_rows(1, params.v_at + first_key + step.at * width, width, VALUES_AT, id);
    }
    workgroupBarrier();
    let next = step_after(step, stand);
    if (AHEAD == 1 && (next.kind < ALL || next.at < stand.end)) {
      keys = read_rows(0, params.k_at + first_key + next.at * width, width, id);
      values = read_rows(1, params.v_at + first_key + next.at * width, width, id);
    }

    let factor = LOG2_E * params.scale;
    let x = score(KEYS_AT, factor, subgroup, lane, q0, q1, q2, q3, q4, q5, q6, q7);
    workgroupBarrier();
    let y = score(VALUES_AT, 1.0, subgroup, lane, e0, e1, e2, e3, e4, e5, e6, e7);
    let key = step.at + lane.key;
    if (step.kind == BLOCK) {
      stats = join_tile(stats, x, y, lane, next.kind == ALL);
      if (next.kind == ALL) {
        level = level_of(whole(stats), last_score(x, lane), row.top);
        stats = Stats(LOWEST, 0.0, 0.0);
        if (lane.key == 0) { keep(level, key, row, params.levels_at / 2 + head, own_t); }
      }
    } else {
      let mixed = step.at + KEYS > stand.own;
      var l = Levels(level, level, level, level);
      if (M <= KEYS) {
        l = levels_of(x, y, lane, row.top);
        keep_all(l, key, row, lane, params.levels_at / 2 + head, own_t);
      }
      put_16(lane, 0, slopes(x.x0, y.x0, key, l.l0, row, mixed));
      put_16(lane, 1, slopes(x.x1, y.x1, key + NEXT, l.l1, row, mixed));
      if (!HALVED) {
        put_16(lane, 2, slopes(x.x2, y.x2, key + 32, l.l2, row, mixed));
        put_16(lane, 3, slopes(x.x3, y.x3, key + 48, l.l3, row, mixed));
      }
      workgroupBarrier();
      {
        let low = weights_16(subgroup, 0, 0);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 0); }
        let v0 = columns_16(KEYS_AT, 0, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(KEYS_AT, 0, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(KEYS_AT, 0, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(KEYS_AT, 0, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(KEYS_AT, 0, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(KEYS_AT, 0, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(KEYS_AT, 0, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(KEYS_AT, 0, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
      {
        let low = weights_16(subgroup, 0, 1);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 1); }
        let v0 = columns_16(KEYS_AT, 1, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(KEYS_AT, 1, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(KEYS_AT, 1, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(KEYS_AT, 1, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(KEYS_AT, 1, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(KEYS_AT, 1, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(KEYS_AT, 1, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(KEYS_AT, 1, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
      {
        let low = weights_16(subgroup, 0, 2);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 2); }
        let v0 = columns_16(KEYS_AT, 2, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(KEYS_AT, 2, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(KEYS_AT, 2, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(KEYS_AT, 2, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(KEYS_AT, 2, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(KEYS_AT, 2, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(KEYS_AT, 2, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(KEYS_AT, 2, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
      {
        let low = weights_16(subgroup, 0, 3);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 3); }
        let v0 = columns_16(KEYS_AT, 3, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(KEYS_AT, 3, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(KEYS_AT, 3, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(KEYS_AT, 3, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(KEYS_AT, 3, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(KEYS_AT, 3, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(KEYS_AT, 3, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(KEYS_AT, 3, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
    }
    workgroupBarrier();
    step = next;
  }

  let to = params.d_q_at + at;
  write(sum_0, to, 0, 0, subgroup, own);
  write(sum_1, to, 0, 16, subgroup, own);
  if (CHUNKS > 2) {
    write(sum_2, to, 0, 32, subgroup, own);
    write(sum_3, to, 0, 48, subgroup, own);
  }
  if (CHUNKS > 4) {
    write(sum_4, to, 0, 64, subgroup, own);
    write(sum_5, to, 0, 80, subgroup, own);
    write(sum_6, to, 0, 96, subgroup, own);
    write(sum_7, to, 0, 112, subgroup, own);
  }
  if (ROWS == 32) {
    write(sum_4, to, 16, 0, subgroup, own);
    write(sum_5, to, 16, 16, subgroup, own);
    if (CHUNKS > 2) {
      write(sum_6, to, 16, 32, subgroup, own);
      write(sum_7, to, 16, 48, subgroup, own);
    }
  }
}
