// out f32 [B, T, H, D], top f32 [B, T, H] = landmark attention of q f16 [B, T, H, D] over k and v
// f16 [B, S, G, D], on tensor cores
//
// For regular plans of M = 16, 32 or a multiple of 64; D = 32, 64 or 128; T and S − T multiples of the
// queries that a workgroup has, S of 64. The top group of a query is so small, its own block and one
// landmark for every earlier one, that its sum is made first. Then each block's weights are final as
// soon as its scores are there, and sums of weighted values stay in the tensor cores' registers.
// Every sum is a variable of its own, and steps are written out: else they leave the registers.
// Spec: src/device/reference/grouped_softmax.ts. AHEAD: the next tile is read while one is worked on.

struct Params {
  q_at: u32,
  k_at: u32,
  v_at: u32,
  out_at: u32,
  top_at: u32,
  B: u32,
  T: u32,
  S: u32,
  H: u32,
  G: u32,
  scale: f32, // with the factor that makes exp2 of exp
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f16>;
@group(0) @binding(2) var<storage, read> k: array<Piece>;
@group(0) @binding(3) var<storage, read> v: array<Piece>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;
@group(0) @binding(5) var<storage, read_write> top: array<f32>;

const LN_2 = 0.6931471805599453;
// Weights lie where keys were.
const KEYS_AT = 0u;
const WEIGHTS_AT = KEYS_AT;
const VALUES_AT = max(KEYS * LONG, SUBGROUPS * WEIGHTS);
const TILES = VALUES_AT + KEYS * LONG;

// What past the end is read instead is hidden.
fn piece(which: u32, at: u32) -> Piece {
  if (which == 0) { return k[min(at, arrayLength(&k) - 1)]; }
  return v[min(at, arrayLength(&v) - 1)];
}

// Where the rows of a step's keys begin, and the step from one to the next.
fn start_of(step: Step, b: u32, g: u32) -> vec2u {
  let width = params.G * D;
  let first = b * params.S * width + g * D;
  if (step.kind == LANDMARKS) { return vec2u(first + (step.at * M + M - 1) * width, M * width); }
  return vec2u(first + step.at * width, width);
}

@compute @workgroup_size(THREADS)
fn landmark_attention_half(
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
  let g = h / (params.H / params.G);
  let stand = stand_of(params.S - params.T + t);
  let lane = lane_of(subgroup, own);
  let first_row = (b * params.T + t + subgroup * ROWS) * params.H + h;
  let own_key = stand.first + subgroup * ROWS + lane.row;
  var row = Row(own_key, own_key / M * M, 0.0, 0.0);

  let at = first_row * D;
  let q0 = query_16(at, 0, 0);
  let q1 = query_16(at, 0, 1);
  let q2 = query_16(at, 0, 2);
  let q3 = query_16(at, 0, 3);
  let q4 = query_16(at, 16, 4);
  let q5 = query_16(at, 16, 5);
  let q6 = query_16(at, 16, 6);
  let q7 = query_16(at, 16, 7);
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
  var step = Step(OWN, stand.own / KEYS * KEYS);
  var keys = Pieces();
  var values = Pieces();
  if (AHEAD == 1) {
    let start = start_of(step, b, g);
    keys = read_rows(0, params.k_at + start.x, start.y, id);
  }
  while (step.kind < ALL || step.at < stand.end) {
    if (AHEAD == 1) {
      put_rows(KEYS_AT, 0, keys, id);
      if (step.kind == ALL) { put_rows(VALUES_AT, 0, values, id); }
    } else {
      let start = start_of(step, b, g);
      stage_rows(0, params.k_at + start.x, start.y, KEYS_AT, id);
      if (step.kind == ALL) { stage_rows(1, params.v_at + start.x, start.y, VALUES_AT, id); }
    }
    workgroupBarrier();
    let next = step_after(step, stand);
    if (AHEAD == 1 && (next.kind < ALL || next.at < stand.end)) {
      let start = start_of(next, b, g);
      keys = read_rows(0, params.k_at + start.x, start.y, id);
      if (next.kind == ALL) { values = read_rows(1, params.v_at + start.x, start.y, id); }
    }

    let x = score(KEYS_AT, params.scale, subgroup, lane, q0, q1, q2, q3, q4, q5, q6, q7);
    let key = step.at + lane.key;
    if (step.kind < BLOCK) {
      stats = join_top(stats, x, key, row, step.kind);
      if (next.kind >= BLOCK) {
        stats = whole(stats);
        row.top = stats.most + log2(stats.sum);
        stats = Stats(LOWEST, 0.0, 0.0);
      }
    } else if (step.kind == BLOCK) {
      stats = join_tile(stats, x, Cells(), lane, next.kind == ALL);
      if (next.kind == ALL) {
        level = level_of(whole(stats), last_score(x, lane), row.top);
        stats = Stats(LOWEST, 0.0, 0.0);
      }
    } else {
      let mixed = step.at + KEYS > stand.own;
      var levels = Levels(level, level, level, level);
      if (M <= KEYS) { levels = levels_of(x, Cells(), lane, row.top); }
      put_16(lane, 0, weigh(x.x0, key, levels.l0, row, mixed));
      put_16(lane, 1, weigh(x.x1, key + NEXT, levels.l1, row, mixed));
      if (!HALVED) {
        put_16(lane, 2, weigh(x.x2, key + 32, levels.l2, row, mixed));
        put_16(lane, 3, weigh(x.x3, key + 48, levels.l3, row, mixed));
      }
      workgroupBarrier();
      {
        let low = weights_16(subgroup, 0, 0);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 0); }
        let v0 = columns_16(VALUES_AT, 0, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(VALUES_AT, 0, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(VALUES_AT, 0, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(VALUES_AT, 0, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(VALUES_AT, 0, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(VALUES_AT, 0, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(VALUES_AT, 0, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(VALUES_AT, 0, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
      {
        let low = weights_16(subgroup, 0, 1);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 1); }
        let v0 = columns_16(VALUES_AT, 1, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(VALUES_AT, 1, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(VALUES_AT, 1, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(VALUES_AT, 1, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(VALUES_AT, 1, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(VALUES_AT, 1, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(VALUES_AT, 1, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(VALUES_AT, 1, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
      {
        let low = weights_16(subgroup, 0, 2);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 2); }
        let v0 = columns_16(VALUES_AT, 2, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(VALUES_AT, 2, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(VALUES_AT, 2, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(VALUES_AT, 2, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(VALUES_AT, 2, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(VALUES_AT, 2, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(VALUES_AT, 2, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(VALUES_AT, 2, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
      {
        let low = weights_16(subgroup, 0, 3);
        var high = low;
        if (ROWS == 32) { high = weights_16(subgroup, 16, 3); }
        let v0 = columns_16(VALUES_AT, 3, 0);
        sum_0 = subgroupMatrixMultiplyAccumulate(low, v0, sum_0);
        if (ROWS == 32) { sum_4 = subgroupMatrixMultiplyAccumulate(high, v0, sum_4); }
        let v1 = columns_16(VALUES_AT, 3, 1);
        sum_1 = subgroupMatrixMultiplyAccumulate(low, v1, sum_1);
        if (ROWS == 32) { sum_5 = subgroupMatrixMultiplyAccumulate(high, v1, sum_5); }
        if (CHUNKS > 2) {
          let v2 = columns_16(VALUES_AT, 3, 2);
          sum_2 = subgroupMatrixMultiplyAccumulate(low, v2, sum_2);
          if (ROWS == 32) { sum_6 = subgroupMatrixMultiplyAccumulate(high, v2, sum_6); }
          let v3 = columns_16(VALUES_AT, 3, 3);
          sum_3 = subgroupMatrixMultiplyAccumulate(low, v3, sum_3);
          if (ROWS == 32) { sum_7 = subgroupMatrixMultiplyAccumulate(high, v3, sum_7); }
        }
        if (CHUNKS > 4) {
          let v4 = columns_16(VALUES_AT, 3, 4);
          sum_4 = subgroupMatrixMultiplyAccumulate(low, v4, sum_4);
          let v5 = columns_16(VALUES_AT, 3, 5);
          sum_5 = subgroupMatrixMultiplyAccumulate(low, v5, sum_5);
          let v6 = columns_16(VALUES_AT, 3, 6);
          sum_6 = subgroupMatrixMultiplyAccumulate(low, v6, sum_6);
          let v7 = columns_16(VALUES_AT, 3, 7);
          sum_7 = subgroupMatrixMultiplyAccumulate(low, v7, sum_7);
        }
      }
    }
    workgroupBarrier();
    step = next;
  }

  let to = params.out_at + first_row * D;
  write(sum_0, to, 0, 0);
  write(sum_1, to, 0, 16);
  if (CHUNKS > 2) {
    write(sum_2, to, 0, 32);
    write(sum_3, to, 0, 48);
  }
  if (CHUNKS > 4) {
    write(sum_4, to, 0, 64);
    write(sum_5, to, 0, 80);
    write(sum_6, to, 0, 96);
    write(sum_7, to, 0, 112);
  }
  if (ROWS == 32) {
    write(sum_4, to, 16, 0);
    write(sum_5, to, 16, 16);
    if (CHUNKS > 2) {
      write(sum_6, to, 16, 32);
      write(sum_7, to, 16, 48);
    }
  }
  if (lane.key == 0) { top[params.top_at + first_row + lane.row * params.H] = LN_2 * row.top; }
}

// Writes 16 rows from `line` on and 16 columns.
fn write(sum: Sum, at: u32, line: u32, column: u32) {
  let stride = params.H * D;
  subgroupMatrixStore<row_major>(&out, at + line * stride + column, sum, stride);
}
