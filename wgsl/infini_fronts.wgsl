// fronts f32 [B, S, G, 2][D (D + 1)]: the memory [D, D + 1] that each segment begins from, `initial`,
// `before` or what the segment before left, and the same on its side, [D + 1, D].

const COLUMNS = D + 1;
const SIZE = D * COLUMNS;

struct Params {
  segments_at: u32,
  initial_at: u32,
  before_at: u32,
  memories_at: u32,
  fronts_at: u32,
  T: u32,
  G: u32,
  S: u32,
  count: u32, // B · S · G · SIZE
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> segments: array<i32>;
@group(0) @binding(2) var<storage, read> initial: array<f32>;
@group(0) @binding(3) var<storage, read> before: array<f32>;
@group(0) @binding(4) var<storage, read> memories: array<f32>;
@group(0) @binding(5) var<storage, read_write> fronts: array<f32>;

@compute @workgroup_size(64)
fn infini_fronts(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let n = (group.x + group.y * groups.x) * 64 + lane;
  if (n >= params.count) { return; }
  let number = n % SIZE;
  let head = n / SIZE;
  let g = head % params.G;
  let s = head / params.G % params.S;
  let b = head / params.G / params.S;
  var front = 0.0;
  if (segment_at(b, s).from_initial) {
    front = initial[params.initial_at + g * SIZE + number];
  } else if (s == 0) {
    front = before[params.before_at + (b * params.G + g) * SIZE + number];
  } else {
    front = memories[params.memories_at + n - params.G * SIZE];
  }
  let to = params.fronts_at + head * 2 * SIZE;
  fronts[to + number] = front;
  fronts[to + SIZE + number % COLUMNS * D + number / COLUMNS] = front;
}
