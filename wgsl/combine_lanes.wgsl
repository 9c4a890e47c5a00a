// What the LANES threads of a row bring, combined in one order; each of them gets it.
//
// The kernel behind this says how: fn combine(a: vec2f, b: vec2f) -> vec2f. LANES is a multiple of
// 16 and divides THREADS, the workgroup. Every 16 threads leave a gap of one: all read their first
// at once, and those of a stride of 16 would wait for each other.

const LANE_GROUPS = LANES / 16;

var<workgroup> brought: array<vec2f, THREADS / 16 * 17>;
var<workgroup> combined: array<vec2f, THREADS / 16>;

fn combine_lanes(thread: u32, value: vec2f) -> vec2f {
  let sixteen = thread / 16;
  brought[thread + sixteen] = value;
  workgroupBarrier();
  var of_sixteen = brought[sixteen * 17];
  for (var i = 1u; i < 16; i++) {
    of_sixteen = combine(of_sixteen, brought[sixteen * 17 + i]);
  }
  if (thread % 16 == 0) {
    combined[sixteen] = of_sixteen;
  }
  workgroupBarrier();
  let first = sixteen / LANE_GROUPS * LANE_GROUPS;
  var of_row = combined[first];
  for (var i = 1u; i < LANE_GROUPS; i++) {
    of_row = combine(of_row, combined[first + i]);
  }
  return of_row;
}
