// d_fronts f32 [B, S, G][D, D + 1], behinds f32 [B, S, G, 2][D (D + 1)]: the gradient of what segment
// s begins from is that of what is behind it, and what its tokens give, those that read and with the
// delta rule (DELTA is 1) those that wrote. Behind it is d_after, or what the next one begins from,
// unless that begins from `initial`; it is kept also on its side, [D + 1, D].
//
// For n from n_first to n_last: what segment S − n begins from, then what is behind S − 1 − n. Sums
// are [B, S | 1, parts, G][D, D + 1].

const COLUMNS = D + 1;
const SIZE = D * COLUMNS;

struct Params {
  segments_at: u32,
  d_after_at: u32,
  read_sums_at: u32,
  written_sums_at: u32,
  d_fronts_at: u32,
  behinds_at: u32,
  T: u32,
  G: u32,
  S: u32,
  count: u32, // B · G · SIZE
  n_first: u32,
  n_last: u32,
  parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> segments: array<i32>;
@group(0) @binding(2) var<storage, read> d_after: array<f32>;
@group(0) @binding(3) var<storage, read> read_sums: array<f32>;
@group(0) @binding(4) var<storage, read> written_sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> d_fronts: array<f32>;
@group(0) @binding(6) var<storage, read_write> behinds: array<f32>;

@compute @workgroup_size(64)
fn infini_back_advance(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let i = (group.x + group.y * groups.x) * 64 + lane;
  if (i >= params.count) { return; }
  let number = i % SIZE;
  let g = i / SIZE % params.G;
  let b = i / SIZE / params.G;
  var gradient = d_after[params.d_after_at + i];
  for (var n = params.n_first; n <= params.n_last; n++) {
    if (n > 0) {
      let s = params.S - n;
      let head = (b * params.S + s) * params.G + g;
      var sum = 0.0;
      for (var part = 0u; part < params.parts; part++) {
        let read = ((b * params.S + s) * params.parts + part) * params.G + g;
        sum += read_sums[params.read_sums_at + read * SIZE + number];
        if (DELTA == 1) {
          let written = (b * params.parts + part) * params.G + g;
          sum += written_sums[params.written_sums_at + written * SIZE + number];
        }
      }
      gradient = behinds[params.behinds_at + head * 2 * SIZE + number] + sum;
      d_fronts[params.d_fronts_at + head * SIZE + number] = gradient;
      if (segment_at(b, s).from_initial) { gradient = 0.0; }
    }
    if (n < params.S) {
      let to = params.behinds_at + ((b * params.S + params.S - 1 - n) * params.G + g) * 2 * SIZE;
      behinds[to + number] = gradient;
      behinds[to + SIZE + number % COLUMNS * D + number / COLUMNS] = gradient;
    }
  }
}
