// sums f32 [B, slots, parts, G][D, D + 1] = Σ φ(x)ᵀ · [y, 1] over a part of a segment's tokens and
// all heads of a memory; or Σ φ(x)ᵀ · y where y has D + 1 numbers in a row (WHOLE is 1).
//
// x f32 [B, T, H, D]. A workgroup has ROWS features of one memory, a lane a column; segments from
// s_first on, segment s in slot s % slots.

const COLUMNS = D + 1;
const ROWS = 32u;
const QUADS = ROWS / 4;
const STEP = 16u;
const BLOCKS = (D + ROWS - 1) / ROWS;
const Y_ROW = D + WHOLE;

struct Params {
  x_at: u32,
  y_at: u32,
  segments_at: u32,
  sums_at: u32,
  T: u32,
  H: u32,
  G: u32,
  S: u32,
  s_first: u32,
  slots: u32,
  parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> y: array<f32>;
@group(0) @binding(3) var<storage, read> segments: array<i32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;

/// [token][feature / 4]
var<workgroup> step: array<array<vec4f, QUADS>, STEP>;

/// Four features of a token, zero behind the last one.
fn four_features(row: u32, i: u32) -> vec4f {
  var four = vec4f();
  for (var j = 0u; j < 4; j++) {
    if (i + j < D) { four[j] = x[params.x_at + row * D + i + j]; }
  }
  return select(vec4f(), features(four), vec4u(i, i + 1, i + 2, i + 3) < vec4u(D));
}

@compute @workgroup_size(THREADS)
fn infini_sums(
  @builtin(workgroup_id) group: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let g = group.x / BLOCKS;
  let first_row = group.x % BLOCKS * ROWS;
  let s = params.s_first + group.y / params.parts;
  let part = group.y % params.parts;
  let b = group.z;
  let ratio = params.H / params.G;
  let segment = segment_at(b, s);
  let count = max(segment.end, segment.first) - segment.first;
  let first = segment.first + count * part / params.parts;
  let end = segment.first + count * (part + 1) / params.parts;
  let column = min(lane, Y_ROW - 1);

  var total = array<vec4f, QUADS>();
  for (var h = g * ratio; h < (g + 1) * ratio; h++) {
    for (var t = first; t < end; t += STEP) {
      for (var n = lane; n < STEP * QUADS; n += THREADS) {
        let token = min(t + n / QUADS, end - 1);
        let row = (b * params.T + token) * params.H + h;
        step[n / QUADS][n % QUADS] = four_features(row, first_row + n % QUADS * 4);
      }
      workgroupBarrier();
      for (var i = 0u; i < STEP; i++) {
        if (t + i >= end) { break; }
        let row = (b * params.T + t + i) * params.H + h;
        var number = y[params.y_at + row * Y_ROW + column];
        if (WHOLE == 0 && lane == D) { number = 1.0; }
        for (var j = 0u; j < QUADS; j++) {
          total[j] = fma(vec4f(number), step[i][j], total[j]);
        }
      }
      workgroupBarrier();
    }
  }

  if (lane > D) { return; }
  let slot = (b * params.slots + s % params.slots) * params.parts + part;
  let to = params.sums_at + (slot * params.G + g) * D * COLUMNS + lane;
  for (var j = 0u; j < QUADS; j++) {
    for (var k = 0u; k < 4; k++) {
      let row = first_row + 4 * j + k;
      if (row < D) { sums[to + row * COLUMNS] = total[j][k]; }
    }
  }
}
