// d_q f32 [B, T, H, D] += the gradients of queries; and what memories and gates will sum up of them:
// d_sums f32 [B, T, H, D + 1] of φ(q)·[M, z], gains f32 [B, tiles, H] of the gate.
//
// With n = φ(q)·M, c = max(φ(q)·z, epsilon): dn = σ·d_out/c, dc = −σ·(d_out·n)/c², dφ = [dn, dc]·[M, z]ᵀ.

struct Params {
  q_at: u32,
  local_at: u32,
  gate_at: u32,
  d_out_at: u32,
  segments_at: u32,
  fronts_at: u32,
  d_q_at: u32,
  d_sums_at: u32,
  gains_at: u32,
  T: u32,
  H: u32,
  G: u32,
  S: u32,
  t_first: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> q: array<f32>;
@group(0) @binding(2) var<storage, read> local: array<f32>;
@group(0) @binding(3) var<storage, read> gate: array<f32>;
@group(0) @binding(4) var<storage, read> d_out: array<f32>;
@group(0) @binding(5) var<storage, read> segments: array<i32>;
@group(0) @binding(6) var<storage, read> fronts: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_q: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_sums: array<f32>;
@group(0) @binding(9) var<storage, read_write> gains: array<f32>;

var<workgroup> counts: Column; // φ(q)·z
var<workgroup> slopes: array<f32, TOKENS>; // dc
var<workgroup> gained: array<f32, TOKENS>;

/// The sum over columns of a token's numbers in the tile.
fn sum_of_token(token: u32) -> f32 {
  var sum = 0.0;
  for (var d = 0u; d < D; d++) { sum += tile[d][token / 4][token % 4]; }
  return sum;
}

/// Of four tokens, where they are a segment's and the lane has a column.
fn put_d_sums(begin: u32, range: Range, i: u32, b: u32, h: u32, lane: u32, four: vec4f) {
  if (lane > D) { return; }
  let here = inside(range, begin + 4 * i);
  for (var k = 0u; k < 4; k++) {
    let row = (b * params.T + begin + 4 * i + k) * params.H + h;
    if (here[k]) { d_sums[params.d_sums_at + row * COLUMNS + lane] = four[k]; }
  }
}

@compute @workgroup_size(THREADS)
fn infini_back_read(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let begin = params.t_first + group.x * TOKENS;
  let h = group.y;
  let b = group.z;
  let g = h / (params.H / params.G);
  let row = params.H * D;
  let column = min(lane, D - 1);
  let head = (b * params.T * params.H + h) * D + column;
  let share = sigmoid(gate[params.gate_at + h]);
  var gain = 0.0;

  for (var s = 0u; s < params.S; s++) {
    let segment = segment_at(b, s);
    let range = Range(max(segment.first, begin), min(segment.end, begin + TOKENS));
    if (range.first >= range.end) { continue; }
    if (!segment.reads) {
      for (var i = 0u; i < QUADS; i++) { put_d_sums(begin, range, i, b, h, lane, vec4f()); }
      continue;
    }
    let front = params.fronts_at + ((b * params.S + s) * params.G + g) * 2 * SIZE;

    // n = φ(q)·M; the last lane has φ(q)·z.
    var phi = Column();
    for (var i = 0u; i < QUADS; i++) {
      let at = params.q_at + places(range, begin + 4 * i, row, head);
      phi[i] = features(vec4f(q[at.x], q[at.y], q[at.z], q[at.w]));
      if (lane < D) { tile[lane][i] = phi[i]; }
    }
    workgroupBarrier();
    var sums = Column();
    for (var d = 0u; d < D; d++) {
      let m = fronts[front + d * COLUMNS + min(lane, D)];
      for (var i = 0u; i < QUADS; i++) { sums[i] = fma(vec4f(m), tile[d][i], sums[i]); }
    }
    if (lane == D) { counts = sums; }
    workgroupBarrier();

    // d_out·n and d_out·local of every token.
    var slope = Column();
    for (var i = 0u; i < QUADS; i++) {
      let at = params.d_out_at + places(range, begin + 4 * i, row, head);
      let four = vec4f(d_out[at.x], d_out[at.y], d_out[at.z], d_out[at.w]);
      slope[i] = select(vec4f(), four, inside(range, begin + 4 * i));
      if (lane < D) { tile[lane][i] = slope[i] * sums[i]; }
    }
    workgroupBarrier();
    let token = min(lane, TOKENS - 1);
    let given = sum_of_token(token);
    workgroupBarrier();
    for (var i = 0u; i < QUADS; i++) {
      let at = params.local_at + places(range, begin + 4 * i, row, head);
      let near = vec4f(local[at.x], local[at.y], local[at.z], local[at.w]);
      if (lane < D) { tile[lane][i] = slope[i] * near; }
    }
    workgroupBarrier();
    if (lane < TOKENS) {
      let count = counts[token / 4][token % 4];
      let c = max(count, params.epsilon);
      gain += given / c - sum_of_token(token);
      slopes[token] = select(0.0, -share * given / (c * c), count > params.epsilon);
    }
    workgroupBarrier();

    // [dn, dc], and back through [M, z].
    for (var i = 0u; i < QUADS; i++) {
      var four = share * slope[i] / max(counts[i], vec4f(params.epsilon));
      if (lane == D) {
        four = vec4f(slopes[4 * i], slopes[4 * i + 1], slopes[4 * i + 2], slopes[4 * i + 3]);
      }
      if (lane <= D) { tile[lane][i] = four; }
      put_d_sums(begin, range, i, b, h, lane, four);
    }
    workgroupBarrier();
    var d_phi = Column();
    for (var d = 0u; d < COLUMNS; d++) {
      let m = fronts[front + SIZE + d * D + column];
      for (var i = 0u; i < QUADS; i++) { d_phi[i] = fma(vec4f(m), tile[d][i], d_phi[i]); }
    }
    for (var i = 0u; i < QUADS; i++) {
      let four = d_phi[i] * min(phi[i], vec4f(1.0));
      let at = params.d_q_at + places(range, begin + 4 * i, row, head);
      let here = inside(range, begin + 4 * i) & vec4<bool>(lane < D);
      for (var k = 0u; k < 4; k++) {
        if (here[k]) { d_q[at[k]] += four[k]; }
      }
    }
    workgroupBarrier();
  }

  if (lane < TOKENS) { gained[lane] = gain; }
  workgroupBarrier();
  if (lane == 0) {
    var sum = 0.0;
    for (var t = 0u; t < TOKENS; t++) { sum += gained[t]; }
    let tiles = (params.T + TOKENS - 1) / TOKENS;
    let at = (b * tiles + begin / TOKENS) * params.H + h;
    gains[params.gains_at + at] = sum * share * (1.0 - share);
  }
}
