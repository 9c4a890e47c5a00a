// out f32 [B, T, H, D] = σ(gate)·A + (1 − σ(gate))·local, A = φ(x)·M / max(φ(x)·z, epsilon), of the
// memory that a token's segment begins from; or out = local − A where SUBTRACTS is 1: what a memory
// lacks of the values `local` of keys x.
//
// Tokens from t_first on, of segments s_first … s_end − 1. Memories lie FRONT numbers apart.

struct Params {
  x_at: u32,
  local_at: u32,
  gate_at: u32,
  segments_at: u32,
  fronts_at: u32,
  out_at: u32,
  T: u32,
  H: u32,
  G: u32,
  S: u32,
  s_first: u32,
  s_end: u32,
  t_first: u32,
  epsilon: f32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> local: array<f32>;
@group(0) @binding(3) var<storage, read> gate: array<f32>;
@group(0) @binding(4) var<storage, read> segments: array<i32>;
@group(0) @binding(5) var<storage, read> fronts: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

var<workgroup> divisors: Column;

@compute @workgroup_size(THREADS)
fn infini_read(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let begin = params.t_first + group.x * TOKENS;
  let h = group.y;
  let b = group.z;
  let g = h / (params.H / params.G);
  let row = params.H * D;
  let column = min(lane, D);
  // A token's number of this lane lies at head + t · row.
  let head = (b * params.T * params.H + h) * D + min(lane, D - 1);
  let share = select(sigmoid(gate[params.gate_at + h]), -1.0, SUBTRACTS == 1);
  let rest = select(1.0 - share, 1.0, SUBTRACTS == 1);

  for (var s = params.s_first; s < params.s_end; s++) {
    let segment = segment_at(b, s);
    let range = Range(max(segment.first, begin), min(segment.end, begin + TOKENS));
    if (range.first >= range.end) { continue; }
    let reads = segment.reads || SUBTRACTS == 1;
    var sums = Column();
    if (reads) {
      for (var i = 0u; i < QUADS; i++) {
        let at = params.x_at + places(range, begin + 4 * i, row, head);
        if (lane < D) { tile[lane][i] = features(vec4f(x[at.x], x[at.y], x[at.z], x[at.w])); }
      }
      workgroupBarrier();
      let front = params.fronts_at + ((b * params.S + s) * params.G + g) * FRONT + column;
      for (var d = 0u; d < D; d++) {
        let m = fronts[front + d * COLUMNS];
        for (var i = 0u; i < QUADS; i++) { sums[i] = fma(vec4f(m), tile[d][i], sums[i]); }
      }
      if (lane == D) {
        for (var i = 0u; i < QUADS; i++) { divisors[i] = max(sums[i], vec4f(params.epsilon)); }
      }
      workgroupBarrier();
    }
    for (var i = 0u; i < QUADS; i++) {
      let at = places(range, begin + 4 * i, row, head);
      let near = params.local_at + at;
      var mixed = vec4f(local[near.x], local[near.y], local[near.z], local[near.w]);
      if (reads) { mixed = share * (sums[i] / divisors[i]) + rest * mixed; }
      let here = inside(range, begin + 4 * i) & vec4<bool>(lane < D);
      let to = params.out_at + at;
      if (here.x) { out[to.x] = mixed.x; }
      if (here.y) { out[to.y] = mixed.y; }
      if (here.z) { out[to.z] = mixed.z; }
      if (here.w) { out[to.w] = mixed.w; }
    }
    workgroupBarrier();
  }
}
