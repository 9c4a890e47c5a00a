// memories, fronts f32 [B, S, G][D, D + 1]: behind segment s is what is in front of it and the sums
// of its parts; in front of the next one is that, or `initial`, or at first `before`.
//
// For s from s_first to s_last: what is behind s − 1, then what is in front of s. A thread has one
// number of a memory. sums are [B, slots, parts, G][D, D + 1], segment s in slot s % slots.

const SIZE = D * (D + 1);

struct Params {
  segments_at: u32,
  initial_at: u32,
  before_at: u32,
  sums_at: u32,
  fronts_at: u32,
  memories_at: u32,
  T: u32,
  G: u32,
  S: u32,
  count: u32, // B · G · SIZE
  s_first: u32,
  s_last: u32,
  slots: u32,
  parts: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> segments: array<i32>;
@group(0) @binding(2) var<storage, read> initial: array<f32>;
@group(0) @binding(3) var<storage, read> before: array<f32>;
@group(0) @binding(4) var<storage, read> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> fronts: array<f32>;
@group(0) @binding(6) var<storage, read_write> memories: array<f32>;

@compute @workgroup_size(64)
fn infini_advance(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = (group.x + group.y * groups.x) * 64 + lane;
  if (n >= params.count) { return; }
  let number = n % SIZE;
  let g = n / SIZE % params.G;
  let b = n / SIZE / params.G;
  var behind = before[params.before_at + n];
  for (var s = params.s_first; s <= params.s_last; s++) {
    if (s > 0) {
      let at = ((b * params.S + s - 1) * params.G + g) * SIZE + number;
      var sum = 0.0;
      for (var part = 0u; part < params.parts; part++) {
        let slot = (b * params.slots + (s - 1) % params.slots) * params.parts + part;
        sum += sums[params.sums_at + (slot * params.G + g) * SIZE + number];
      }
      behind = fronts[params.fronts_at + at] + sum;
      memories[params.memories_at + at] = behind;
    }
    if (s < params.S) {
      let at = ((b * params.S + s) * params.G + g) * SIZE + number;
      let starts = segment_at(b, s).from_initial;
      fronts[params.fronts_at + at] =
        select(behind, initial[params.initial_at + g * SIZE + number], starts);
    }
  }
}
