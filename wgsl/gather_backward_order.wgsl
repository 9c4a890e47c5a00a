// order [n]: 0 … n − 1 by rows [n], and in their own order where rows are equal
//
// The place of i is how many come before it, counted by comparing it with all others: 32 of them a
// workgroup, for each of which 8 threads share the others. Quadratic, but 16384 rows are done
// sooner than passes that wait for each other would be.

struct Params {
  rows_at: u32,
  order_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<i32>;
@group(0) @binding(2) var<storage, read_write> order: array<i32>;

const LAST = 0x7fffffff;

var<workgroup> others: array<vec4i, 64>;
var<workgroup> counts: array<u32, 256>;

@compute @workgroup_size(256)
fn gather_backward_order(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let block = group.x + group.y * groups.x;
  let share = thread / 32;
  let i = block * 32 + thread % 32;
  let row = row_at(i);

  var before = vec4u();
  for (var start = 0u; start < params.n; start += 256) {
    workgroupBarrier();
    if (thread < 64) {
      let j = start + thread * 4;
      others[thread] = vec4i(row_at(j), row_at(j + 1), row_at(j + 2), row_at(j + 3));
    }
    workgroupBarrier();
    // Equal rows come before where all 32 of the share do; this workgroup's own are seen to below.
    let bound = vec4i(row + select(0, 1, start / 32 + share < block));
    for (var four = 0u; four < 8; four++) {
      before += select(vec4u(0), vec4u(1), others[share * 8 + four] < bound);
    }
  }
  counts[thread] = before.x + before.y + before.z + before.w;
  workgroupBarrier();
  if (share == 0 && i < params.n) {
    var place = 0u;
    for (var s = 0u; s < 8; s++) {
      place += counts[s * 32 + thread];
    }
    for (var j = block * 32; j < i; j++) {
      place += select(0u, 1u, row_at(j) == row);
    }
    order[params.order_at + place] = i32(i);
  }
}

fn row_at(i: u32) -> i32 {
  if (i >= params.n) {
    return LAST;
  }
  return rows[params.rows_at + i];
}
