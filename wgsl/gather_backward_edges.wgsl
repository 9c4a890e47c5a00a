// dx [R, X] += the sums of runs that go on over chunks, edges [chunks, 2, X], in the order of chunks
//
// See gather_backward_sums.wgsl. A workgroup for each chunk and 64 columns: it does something if a
// run begins in the chunk that goes on. Dispatch: SLICES for each chunk.

struct Params {
  rows_at: u32,
  order_at: u32,
  edges_at: u32,
  dx_at: u32,
  n: u32,
}

@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> rows: array<i32>;
@group(0) @binding(2) var<storage, read> order: array<i32>;
@group(0) @binding(3) var<storage, read> edges: array<Number>;
@group(0) @binding(4) var<storage, read_write> dx: array<Number>;

var<workgroup> goes_on: array<bool, 64>;
var<workgroup> length: u32;

@compute @workgroup_size(64)
fn gather_backward_edges(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) lane: u32,
) {
  let index = group.x + group.y * groups.x;
  let chunk = index / SLICES;
  let column = index % SLICES * 64 + lane;
  let row = target_at((chunk + 1) * CHUNK - 1);
  let begins = chunk == 0 || target_at(chunk * CHUNK - 1) != row;
  if (row < 0 || !begins || target_at((chunk + 1) * CHUNK) != row) {
    return;
  }

  var sum = edge_at(chunk * 2 + 1, column);
  for (var next = chunk + 1; ; next += 64) {
    goes_on[lane] = target_at((next + lane) * CHUNK) == row;
    workgroupBarrier();
    if (lane == 0) {
      length = 0;
      while (length < 64 && goes_on[length]) {
        length++;
      }
    }
    let more = workgroupUniformLoad(&length);
    for (var i = 0u; i < more; i++) {
      sum += edge_at((next + i) * 2, column);
    }
    if (more < 64) {
      break;
    }
  }
  if (column < ROW) {
    dx[params.dx_at / WIDE + u32(row) * ROW + column] += sum;
  }
}

// The row of a place of order; −1 past its end.
fn target_at(place: u32) -> i32 {
  if (place >= params.n) {
    return -1;
  }
  return rows[params.rows_at + u32(order[params.order_at + place])];
}

fn edge_at(edge: u32, column: u32) -> Number {
  return edges[params.edges_at / WIDE + edge * ROW + min(column, ROW - 1)];
}
