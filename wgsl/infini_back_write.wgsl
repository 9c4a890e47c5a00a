// d_k, d_v f32 [B, T, G, D] += the gradients of what was written: with u the values stored, and dM, dz
// those behind the segment, dφ = u·dMᵀ + dz, du = φ(k)·dM, and dv = du.
//
// Where DELTA is 1, u = v − n/c with n = φ(k)·M, c = max(φ(k)·z, epsilon) in front of the segment. So
// dn = −du/c, dc = (du·n)/c², dφ += [dn, dc]·[M, z]ᵀ; d_sums f32 [B, T, G, D + 1] receives [dn, dc].

struct Params {
  k_at: u32,
  v_at: u32,
  segments_at: u32,
  fronts_at: u32,
  behinds_at: u32,
  d_k_at: u32,
  d_v_at: u32,
  d_sums_at: u32,
  T: u32,
  G: u32,
  S: u32,
  s_first: u32,
  s_end: u32,
  t_first: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> k: array<f32>;
@group(0) @binding(2) var<storage, read> v: array<f32>;
@group(0) @binding(3) var<storage, read> segments: array<i32>;
@group(0) @binding(4) var<storage, read> fronts: array<f32>;
@group(0) @binding(5) var<storage, read> behinds: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_k: array<f32>;
@group(0) @binding(7) var<storage, read_write> d_v: array<f32>;
@group(0) @binding(8) var<storage, read_write> d_sums: array<f32>;

var<workgroup> counts: Column; // φ(k)·z
var<workgroup> slopes: array<f32, TOKENS>; // dc

/// The sum over columns of a token's numbers in the tile.
fn sum_of_token(token: u32) -> f32 {
  var sum = 0.0;
  for (var d = 0u; d < D; d++) { sum += tile[d][token / 4][token % 4]; }
  return sum;
}

/// Of four tokens, where they are a segment's and the lane has a column.
fn put_d_sums(begin: u32, range: Range, i: u32, b: u32, g: u32, lane: u32, four: vec4f) {
  if (lane > D) { return; }
  let here = inside(range, begin + 4 * i);
  for (var n = 0u; n < 4; n++) {
    let row = (b * params.T + begin + 4 * i + n) * params.G + g;
    if (here[n]) { d_sums[params.d_sums_at + row * COLUMNS + lane] = four[n]; }
  }
}

@compute @workgroup_size(THREADS)
fn infini_back_write(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let begin = params.t_first + group.x * TOKENS;
  let g = group.y;
  let b = group.z;
  let row = params.G * D;
  let column = min(lane, D - 1);
  let head = (b * params.T * params.G + g) * D + column;

  for (var s = params.s_first; s < params.s_end; s++) {
    let segment = segment_at(b, s);
    let range = Range(max(segment.first, begin), min(segment.end, begin + TOKENS));
    if (range.first >= range.end) { continue; }
    let memory = ((b * params.S + s) * params.G + g) * 2 * SIZE;
    let front = params.fronts_at + memory;
    let behind = params.behinds_at + memory;

    var phi = Column();
    var stored = Column();
    for (var i = 0u; i < QUADS; i++) {
      let at = places(range, begin + 4 * i, row, head);
      let key = params.k_at + at;
      let value = params.v_at + at;
      phi[i] = features(vec4f(k[key.x], k[key.y], k[key.z], k[key.w]));
      stored[i] = vec4f(v[value.x], v[value.y], v[value.z], v[value.w]);
      if (lane < D) { tile[lane][i] = phi[i]; }
    }
    workgroupBarrier();
    var slope = Column(); // du
    for (var d = 0u; d < D; d++) {
      let m = behinds[behind + d * COLUMNS + column];
      for (var i = 0u; i < QUADS; i++) { slope[i] = fma(vec4f(m), tile[d][i], slope[i]); }
    }
    var sums = Column(); // n; the last lane has φ(k)·z
    if (DELTA == 1) {
      for (var d = 0u; d < D; d++) {
        let m = fronts[front + d * COLUMNS + min(lane, D)];
        for (var i = 0u; i < QUADS; i++) { sums[i] = fma(vec4f(m), tile[d][i], sums[i]); }
      }
      if (lane == D) { counts = sums; }
    }
    workgroupBarrier();

    var d_phi = Column();
    if (DELTA == 1) {
      for (var i = 0u; i < QUADS; i++) {
        stored[i] -= sums[i] / max(counts[i], vec4f(params.epsilon));
        if (lane < D) { tile[lane][i] = slope[i] * sums[i]; }
      }
      workgroupBarrier();
      if (lane < TOKENS) {
        let count = counts[lane / 4][lane % 4];
        slopes[lane] = select(0.0, sum_of_token(lane) / (count * count), count > params.epsilon);
      }
      workgroupBarrier();
      for (var i = 0u; i < QUADS; i++) {
        var four = -slope[i] / max(counts[i], vec4f(params.epsilon));
        if (lane == D) {
          four = vec4f(slopes[4 * i], slopes[4 * i + 1], slopes[4 * i + 2], slopes[4 * i + 3]);
        }
        if (lane <= D) { tile[lane][i] = four; }
        put_d_sums(begin, range, i, b, g, lane, four);
      }
      workgroupBarrier();
      for (var d = 0u; d < COLUMNS; d++) {
        let m = fronts[front + SIZE + d * D + column];
        for (var i = 0u; i < QUADS; i++) { d_phi[i] = fma(vec4f(m), tile[d][i], d_phi[i]); }
      }
      workgroupBarrier();
    }

    // [u, 1]·[dM, dz]ᵀ
    for (var i = 0u; i < QUADS; i++) {
      if (lane <= D) { tile[lane][i] = select(stored[i], vec4f(1.0), vec4<bool>(lane == D)); }
    }
    workgroupBarrier();
    for (var d = 0u; d < COLUMNS; d++) {
      let m = behinds[behind + SIZE + d * D + column];
      for (var i = 0u; i < QUADS; i++) { d_phi[i] = fma(vec4f(m), tile[d][i], d_phi[i]); }
    }
    for (var i = 0u; i < QUADS; i++) {
      let four = d_phi[i] * min(phi[i], vec4f(1.0));
      let at = places(range, begin + 4 * i, row, head);
      let here = inside(range, begin + 4 * i) & vec4<bool>(lane < D);
      for (var n = 0u; n < 4; n++) {
        if (here[n]) {
          d_k[params.d_k_at + at[n]] += four[n];
          d_v[params.d_v_at + at[n]] += slope[i][n];
        }
      }
    }
    workgroupBarrier();
  }
}
